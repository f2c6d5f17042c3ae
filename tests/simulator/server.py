"""A server on the loopback interface that behaves like the Messages API, faults included.

It never opens a connection. Faults are scripted: `{"nth": 3, "fault": "429"}` for the third
request, `{"every": 5, ...}`, or `{"holds": "words", "times": 1, ...}` for prompts with these words.
"""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tests.simulator.answers import Skill, answer
from tests.simulator.batches import ROOT as BATCHES
from tests.simulator.batches import Batches
from tests.simulator.billing import Books, Entry, tokens
from tests.simulator.checks import MODELS, wrong_with
from tests.simulator.limiting import Limits, retry_after

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
ERRORS = {
    "400": (400, "invalid_request_error", "The request is not valid"),
    "401": (401, "authentication_error", "invalid bearer token"),
    "402": (402, "billing_error", "Your credit balance is too low"),
    "403": (403, "permission_error", "Your key may not use this model"),
    "413": (413, "request_too_large", "Request exceeds the maximum size"),
    "429": (429, "rate_limit_error", "This request would exceed your rate limit"),
    "spend_limit": (429, "rate_limit_error", "You have reached your spend limit"),
    "500": (500, "api_error", "Internal server error"),
    "503": (503, "api_error", "Service unavailable"),
    "504": (504, "timeout_error", "Gateway timeout"),
    "529": (529, "overloaded_error", "Overloaded"),
}
CHUNK = 65_536  # bytes
PATIENCE = 60.0  # seconds in which even a busy machine closes what is open
PROXY_PAGE = b"<html><body><h1>502 Bad gateway</h1></body></html>"
# The request is worked on and charged; its answer does not arrive whole.
LOST = {"reset_after": "reset", "reset_mid": "half", "truncated": "lost", "empty": "lost"}
# Why an answer stops, besides refusals and a lack of room; the last is not known to anybody yet.
STOPS = {
    "context": "model_context_window_exceeded",
    "pause_turn": "pause_turn",
    "new_stop": "reason_of_next_year",
}


@dataclass
class Config:
    """How the simulator behaves until it is told otherwise."""

    key: str = "test-key"
    words: dict[str, list[str]] = field(default_factory=dict)
    # How often the model finds what is there, and leaves what is not: by language, `*` for others.
    sensitivity: dict[str, float] = field(default_factory=dict)
    specificity: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    stochastic: bool = False  # asked once more about the same, it may answer otherwise
    faults: list[dict[str, Any]] = field(default_factory=list)
    latency: float = 0.0  # seconds
    largest_schema: int = 60_000  # characters
    batch_faults: list[dict[str, Any]] = field(default_factory=list)
    batch_polls: int = 1  # how often a batch is asked about before it has ended
    batch_queue: int = 500_000  # requests that may wait in all batches together
    batch_misses: bool = False  # no request of a batch finds the cache that another wrote
    clock: float = 0.0  # seconds by which the clock is ahead
    limits: dict[str, float] = field(default_factory=dict)  # a minute: requests, input, output
    burst: float = 1.0  # how much of a minute's worth may come at once
    # As a local server may: the form is asked for in vain until the prompt says what was wrong.
    ignores_schema: bool = False


@dataclass
class Answer:
    """What is sent back, and how."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "whole"
    entry: Entry | None = None
    entries: Sequence[Entry] = ()
    delay: float = 0.0
    pause: float = 0.0  # seconds between the bytes of an answer that drips
    arrives: int = 0  # bytes of one that comes by half, if not just half of them


class Simulator:
    """The service: answers requests and keeps the books. Used from one event loop."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.books = Books()
        self.limits = Limits()
        self.batches = Batches(self)
        self.told: Counter[str] = Counter()  # how often each prompt was answered
        self.open: set[asyncio.Transport] = set()

    def reset(self) -> None:
        """Forget all requests and faults."""
        self.config = Config()
        self.books = Books()
        self.batches = Batches(self)
        self.told.clear()

    def configure(self, **changes: Any) -> None:
        """Change how it behaves from now on."""
        for name, value in changes.items():
            if not hasattr(self.config, name):
                raise ValueError(name)
            setattr(self.config, name, value)

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer to one request."""
        path = unquote(urlsplit(target).path).rstrip("/")
        if path.startswith("/_sim/"):
            return self.admin(method, path, body)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if (token or headers.get("x-api-key")) != self.config.key:
            return failure(*ERRORS["401"])
        if "anthropic-version" not in headers:
            return failure(400, "invalid_request_error", "anthropic-version: header is required")
        if method == "GET" and path.startswith("/v1/models"):
            return models(path)
        if path.startswith(BATCHES):
            return self.batches.respond(method, target, headers, body)
        if method != "POST" or path not in ("/v1/messages", "/v1/messages/count_tokens"):
            return failure(404, "not_found_error", f"{method} {path}")
        try:
            asked = json.loads(body)
        except ValueError:
            return failure(400, "invalid_request_error", "The body is not JSON")
        counting = path.endswith("count_tokens")
        if wrong := wrong_with(asked, counting=counting, largest_schema=self.config.largest_schema):
            return failure(*wrong)
        if counting:
            total = sum(
                tokens(asked.get(key, "")) for key in ("system", "messages", "output_config")
            )
            return whole({"input_tokens": total})
        return self.message(asked, headers)

    def message(self, asked: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        """Return the answer to a request for a message."""
        self.books.requests += 1
        number = self.books.requests
        content = asked["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else content[0]["text"]
        script = self.script(number, prompt)
        fault = script.get("fault", "")
        delay = self.config.latency + float(script.get("seconds", 0)) * (fault == "slow")
        if fault in ERRORS:
            return self.error(fault, script, delay)
        if fault == "reset_before":
            return Answer(0, b"", how="reset", delay=delay)
        if fault == "html":
            return Answer(200, PROXY_PAGE, {"content-type": "text/html"}, delay=delay)
        if wait := self.admit(asked):
            away = failure(*ERRORS["429"])
            away.headers |= {"retry-after": retry_after(wait), **self.limits.headers()}
            return away
        retry = headers.get("x-stainless-retry-count", "")
        message, entry = self.worked(asked, prompt, script, f"{number:08d}", retry=retry)
        self.limits.settle(asked["max_tokens"], entry.usage["output_tokens"])
        sent = whole(message, {"request-id": entry.request_id, **self.limits.headers()})
        sent.entry, sent.delay = entry, delay
        if fault in LOST:
            sent.how = LOST[fault]
        if fault == "truncated":
            sent.body = sent.body[: len(sent.body) // 2]
        if fault == "empty":
            sent.body = b""
        if fault in ("close", "hang_up"):
            sent.how = fault
        if fault == "drip":
            sent.how, sent.pause = "drip", float(script.get("seconds", 0.05))
        return sent

    def admit(self, asked: dict[str, Any]) -> float:
        """Return after how many seconds the limits let a request in, 0 if now."""
        if self.config.limits != self.limits.a_minute:
            self.limits = Limits(dict(self.config.limits), self.config.burst)
        prompt = tokens(asked["messages"]) + tokens(asked.get("output_config", ""))
        return self.limits.admit({"requests": 1.0, "input": prompt, "output": asked["max_tokens"]})

    def worked(
        self,
        asked: dict[str, Any],
        prompt: str,
        script: Mapping[str, Any],
        name: str,
        *,
        retry: str = "",
        batch: bool = False,
    ) -> tuple[dict[str, Any], Entry]:
        """Return the message that answers `asked`, and what was charged for it."""
        fault = script.get("fault", "")
        said = self.say(asked, prompt, fault, script)
        used = self.books.usage(asked, said["text"], misses=batch and self.config.batch_misses)
        entry = Entry(
            number=len(self.books.entries) + 1,
            # An answer in a batch has no request of its own: it is known by its message.
            request_id=f"msg_{name}" if batch else f"req_{name}",
            model=asked["model"],
            fault=fault,
            sdk_retry=retry,
            usage=used,
            cost=str(self.books.cost(asked["model"], used) / (2 if batch else 1)),
        )
        self.books.entries.append(entry)
        message: dict[str, Any] = {
            "id": f"msg_{name}",
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "content": said["content"],
            "stop_reason": said["stop_reason"],
            "stop_sequence": None,
            "stop_details": said.get("stop_details"),
            "usage": {**used, "service_tier": "batch" if batch else "standard"},
        }
        if fault == "missing_usage":
            del message["usage"]
        if fault == "null_usage":
            message["usage"] = None
        return message, entry

    def say(
        self, asked: dict[str, Any], prompt: str, fault: str, script: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return content and reason for stopping."""
        if fault == "refusal":
            details = {"type": "refusal", "category": script.get("category"), "explanation": None}
            said = script.get("text", "")
            content = [{"type": "text", "text": said}] if said else []
            return {"text": said, "content": content, "stop_reason": fault, "stop_details": details}
        form = (asked.get("output_config") or {}).get("format") or {}
        schema = form.get("schema", {})
        if self.config.ignores_schema and "An earlier answer could not be used" not in prompt:
            schema = {**schema, "properties": dict(list(schema.get("properties", {}).items())[:1])}
        text = answer(prompt, schema, self.config.words, fault, self.skill(asked, prompt))
        stop = STOPS.get(fault, "end_turn")
        if fault in ("context", "pause_turn"):
            text = text[: len(text) // 2]
        if fault == "max_tokens" and asked["max_tokens"] < script.get("needs", 10**9):
            text, stop = text[: len(text) // 2], "max_tokens"
        content = [{"type": "text", "text": text}]
        if fault == "new_block":
            content.insert(0, {"type": "block_of_next_year", "text": "nothing to read"})
        return {"text": text, "content": content, "stop_reason": stop}

    def skill(self, asked: Mapping[str, Any], prompt: str) -> Skill:
        """Return how well the model codes `prompt` this time."""
        draw = f"{self.config.seed}|{asked['model']}"
        if self.config.stochastic:
            self.told[prompt] += 1
            draw += f"|{self.told[prompt]}"
        return Skill(self.config.sensitivity, self.config.specificity, draw)

    def script(self, number: int, prompt: str) -> dict[str, Any]:
        """Return the fault that the request runs into, empty if none."""
        for fault in self.config.faults:
            if fault.get("times", 10**9) <= fault.get("used", 0):
                continue
            nth, every = fault.get("nth"), fault.get("every")
            hit = (nth is not None and number in (nth if isinstance(nth, list) else [nth])) or (
                every is not None and number % every == fault.get("offset", 0) % every
            )
            if hit or ("holds" in fault and fault["holds"] in prompt):
                fault["used"] = fault.get("used", 0) + 1
                return fault
        return {}

    def error(self, fault: str, script: Mapping[str, Any], delay: float) -> Answer:
        """Return an answer with an error status."""
        status, kind, said = ERRORS[fault]
        details = {"error_code": "enforced_spend_limit_reached"} if fault == "spend_limit" else None
        sent = failure(status, kind, script.get("message", said), details)
        sent.headers |= {str(k): str(v) for k, v in script.get("headers", {}).items()}
        sent.delay = delay
        return sent

    def admin(self, method: str, path: str, body: bytes) -> Answer:
        """Answer whoever directs the play."""
        if path == "/_sim/ledger":
            return whole(self.books.told())
        if method == "POST" and path == "/_sim/reset":
            self.reset()
            return whole({})
        if method == "POST" and path == "/_sim/config":
            try:
                self.configure(**json.loads(body))
            except (ValueError, TypeError) as error:
                return failure(400, "invalid_request_error", str(error))
            return whole({})
        return failure(404, "not_found_error", path)


def whole(value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Return `value` as an answer."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Answer(200, body, {"content-type": "application/json", **(headers or {})})


def failure(status: int, kind: str, said: str, details: object = None) -> Answer:
    """Return an error as the service puts it."""
    error = {"type": kind, "message": said, "details": details}
    body = {"type": "error", "error": error, "request_id": "req_error"}
    sent = whole(body, {"request-id": "req_error"})
    sent.status = status
    return sent


def models(path: str) -> Answer:
    """Return one model or all."""
    rows = [{"type": "model", "id": name, "display_name": name} for name in MODELS]
    name = path.removeprefix("/v1/models").strip("/")
    if not name:
        return whole({"data": rows, "has_more": False})
    chosen = [row for row in rows if row["id"] == name]
    return whole(chosen[0]) if chosen else failure(404, "not_found_error", f"model: {name}")


class Wire(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as much of it as the SDK speaks."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.simulator.open.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport:
            self.simulator.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.busy:
            self.next_request()

    def next_request(self) -> None:
        """Answer the next whole request in the buffer."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _colon, value in (line.partition(":") for line in lines)
        }
        size = int(headers.get("content-length", 0))
        if len(self.buffer) < end + 4 + size:
            return
        body = bytes(self.buffer[end + 4 : end + 4 + size])
        del self.buffer[: end + 4 + size]
        method, target, _version = first.split(" ", 2)
        sent = self.simulator.respond(method, target, headers, body)
        self.busy = True
        asyncio.get_running_loop().call_later(sent.delay, self.send, sent)

    def send(self, sent: Answer) -> None:
        """Send an answer, or as much of it as its fault allows."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if sent.how == "never":
            return
        if sent.how == "reset":
            transport.abort()
            return
        reason = REASONS.get(sent.status, "Status")
        head = [f"HTTP/1.1 {sent.status} {reason}"]
        if sent.how == "chunked":
            head.append("transfer-encoding: chunked")
        elif sent.how == "close":
            head.append("connection: close")
        else:
            head.append(f"content-length: {len(sent.body)}")
        head += [f"{name}: {value}" for name, value in sent.headers.items()]
        start = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        if sent.how == "half":
            self.note(sent)
            transport.write(start + sent.body[: sent.arrives or len(sent.body) // 2])
            asyncio.get_running_loop().call_later(0.02, transport.abort)
            return
        if sent.how == "drip":
            transport.write(start)
            self.drip(sent)
            return
        # Noted first: whoever gets the last byte may look at the books at once.
        self.note(sent)
        if sent.how == "chunked":
            transport.write(start)
            for at in range(0, len(sent.body), CHUNK):
                piece = sent.body[at : at + CHUNK]
                transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            transport.write(b"0\r\n\r\n")
        else:
            transport.write(start + sent.body)
        if sent.how in ("close", "hang_up"):  # the second without a word
            transport.close()
            return
        self.go_on()

    def drip(self, sent: Answer, at: int = 0) -> None:
        """Send the body from `at` on, a byte at a time."""
        if self.transport is None or self.transport.is_closing():
            return
        if at == len(sent.body):
            self.go_on()
            return
        if at == len(sent.body) - 1:
            self.note(sent)
        self.transport.write(sent.body[at : at + 1])
        asyncio.get_running_loop().call_later(sent.pause, self.drip, sent, at + 1)

    def note(self, sent: Answer) -> None:
        """Note that an answer arrives whole, or the entries that do of many."""
        if sent.entry and sent.how not in ("lost", "half"):
            sent.entry.delivered = True
        for entry in sent.entries:
            entry.delivered = True

    def go_on(self) -> None:
        """Answer what came meanwhile."""
        self.busy = False
        if self.buffer:
            self.next_request()


class Running:
    """A simulator in a thread of its own; `with Running() as simulator: simulator.url`."""

    def __init__(self, config: Config | None = None, port: int = 0) -> None:
        self.service = Simulator(config)
        self.port = port

    def run(self, listening: socket.socket) -> None:
        """Serve until told to stop, in a loop of this thread's own."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.serve(listening))

    async def serve(self, listening: socket.socket) -> None:
        """Serve until told to stop, and leave no connection open."""
        server = await self.loop.create_server(lambda: Wire(self.service), sock=listening)
        await self.told_to_stop.wait()
        # Nobody new is let in. Who was let in a moment ago has a socket and no transport yet, and
        # asyncio would leave it open if the server was closed before: so first let it get that far.
        self.loop.remove_reader(listening)
        while coming_in := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(coming_in)
        for transport in list(self.service.open):
            transport.abort()
        while self.service.open:
            await asyncio.sleep(0)
        server.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ledger(self) -> dict[str, Any]:
        """What it charged."""
        return self.service.books.told()

    def faults(self, *faults: dict[str, Any]) -> None:
        """Script what goes wrong."""
        self.service.configure(faults=list(faults))

    def batch_faults(self, *faults: dict[str, Any]) -> None:
        """Script what goes wrong with batches."""
        self.service.configure(batch_faults=list(faults))

    def words(self, table: Mapping[str, Sequence[str]]) -> None:
        """Plant the truth by key words."""
        self.service.configure(words={key: list(words) for key, words in table.items()})

    def __enter__(self) -> Self:
        # Whoever calls from now on is heard, if only when the thread has begun.
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.told_to_stop = asyncio.Event()
        self.thread = threading.Thread(target=self.run, args=(listening,), daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.loop.call_soon_threadsafe(self.told_to_stop.set)
        self.thread.join(PATIENCE)
        if self.thread.is_alive():
            raise RuntimeError(f"The simulator has not stopped in {PATIENCE:.0f} seconds.")


def serve(port: int, seconds: float) -> None:
    """Serve by hand for at most `seconds`."""
    with Running(port=port) as running:
        print(running.url, flush=True)  # noqa: T201  the address is what one starts it for
        time.sleep(seconds)
