"""Message batches: many requests in one, worked on while nobody looks, fetched as lines later.

Time passes by being asked about (`batch_polls`) or by the clock's hand (`clock`, in seconds).
What goes wrong is scripted in `batch_faults`: {"on": "create", "nth": 1, "fault": "orphan"}, or on
"retrieve", "list", "results", "cancel", "end"; single requests run into the faults of messages,
and into "errored", "expired" and "invalid".
"""

import json
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.simulator.billing import Entry
from tests.simulator.checks import wrong_with

if TYPE_CHECKING:
    from tests.simulator.server import Answer, Simulator

ROOT = "/v1/messages/batches"
DAY = 86_400.0
ARCHIVED = 29 * DAY
MOST_REQUESTS = 100_000
MOST_BYTES = 256 * 1024 * 1024
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
BAD = "invalid_request_error"


@dataclass
class Batch:
    """One batch, and what became of its requests once it ended."""

    id: str
    requests: list[dict[str, Any]]
    created: float
    polls: int = 0
    status: str = "in_progress"
    ended: float | None = None
    canceled: float | None = None
    counts: dict[str, int] = field(default_factory=dict)
    lines: list[tuple[bytes, Entry | None]] = field(default_factory=list)
    fault: str = ""


class Batches:
    """The batches of one simulated service."""

    def __init__(self, service: "Simulator") -> None:
        self.service = service
        self.all: dict[str, Batch] = {}
        self.items = 0
        self.made = 0
        self.calls: dict[str, int] = {}

    def now(self) -> float:
        """Return the time, moved by the clock's hand."""
        return time.time() + self.service.config.clock

    def respond(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> "Answer":
        """Return the answer to one request about batches."""
        from tests.simulator.server import failure

        parts = urlsplit(target)
        name, _slash, what = parts.path.rstrip("/").removeprefix(ROOT).strip("/").partition("/")
        call = {
            ("POST", False, ""): "create",
            ("GET", False, ""): "list",
            ("GET", True, ""): "retrieve",
            ("GET", True, "results"): "results",
            ("POST", True, "cancel"): "cancel",
            ("DELETE", True, ""): "delete",
        }.get((method, bool(name), what))
        batch = self.all.get(name)
        if call is None or (name and batch is None):
            return failure(404, "not_found_error", f"{method} {parts.path}")
        self.calls[call] = self.calls.get(call, 0) + 1
        script = self.script(call)
        fault = script.get("fault", "")
        if early := self.early(fault, script):
            return early
        if batch is not None:
            self.pass_time(batch, polled=call == "retrieve")
        if call == "create":
            return self.create(body, headers, fault)
        if batch is None:
            for one in self.all.values():
                self.pass_time(one, polled=True)
            return self.list(parse_qs(parts.query), headers)
        if call == "retrieve":
            return self.told(batch, headers)
        if call == "results":
            return self.results(batch, fault)
        return self.cancel(batch, headers) if call == "cancel" else self.delete(batch)

    def script(self, call: str) -> dict[str, Any]:
        """Return the fault that this call runs into, empty if none."""
        for fault in self.service.config.batch_faults:
            nth = fault.get("nth")
            if fault["on"] != call or fault.get("times", 10**9) <= fault.get("used", 0):
                continue
            if nth is None or nth == self.calls[call]:
                fault["used"] = fault.get("used", 0) + 1
                return dict(fault)
        return {}

    def early(self, fault: str, script: Mapping[str, Any]) -> "Answer | None":
        """Return the answer of a fault that comes before any work."""
        from tests.simulator.server import ERRORS, PROXY_PAGE, Answer

        if fault in ERRORS:
            return self.service.error(fault, script, 0.0)
        if fault == "reset_before":
            return Answer(0, b"", how="reset")
        if fault == "html":
            return Answer(200, PROXY_PAGE, {"content-type": "text/html"})
        if fault == "json":  # well formed, and not what was asked for
            return Answer(200, b'{"status": "ok"}', {"content-type": "application/json"})
        return None

    def create(self, body: bytes, headers: Mapping[str, str], fault: str) -> "Answer":
        """Take a batch in; what its requests hold is looked at later."""
        from tests.simulator.server import Answer, failure

        if len(body) > MOST_BYTES:
            return failure(413, "request_too_large", "Request exceeds the maximum size")
        try:
            requests = json.loads(body)["requests"]
            names = [row["custom_id"] for row in requests]
        except (ValueError, KeyError, TypeError):
            return failure(400, BAD, "requests: Field required")
        if not 1 <= len(requests) <= MOST_REQUESTS:
            return failure(400, BAD, "requests: between 1 and 100,000 are allowed")
        if not all(isinstance(name, str) and NAME.fullmatch(name) for name in names):
            return failure(400, BAD, "custom_id: String should match ^[a-zA-Z0-9_-]{1,64}$")
        if len(set(names)) < len(names):
            return failure(400, BAD, "custom_id: must be unique in a batch")
        waiting = sum(len(b.requests) for b in self.all.values() if b.ended is None)
        if waiting + len(requests) > self.service.config.batch_queue:
            return failure(429, "rate_limit_error", "Too many requests wait in batches")
        self.made += 1
        batch = Batch(f"msgbatch_{self.made:06d}", requests, self.now())
        self.all[batch.id] = batch
        self.service.books.requests += len(requests)
        if fault in ("orphan", "silent"):  # it is there, and who sent it never hears of it
            return Answer(0, b"", how="reset" if fault == "orphan" else "never")
        return self.told(batch, headers)

    def pass_time(self, batch: Batch, *, polled: bool) -> None:
        """Bring `batch` to its end when it is time."""
        if batch.ended is not None:
            return
        overdue = self.now() >= batch.created + DAY
        batch.polls += polled
        stopped = batch.canceled is not None and polled
        if overdue or stopped or batch.polls > self.service.config.batch_polls:
            self.calls["end"] = self.calls.get("end", 0) + 1
            fault = self.script("end").get("fault", "")
            if fault == "stuck" or batch.fault == "stuck":
                batch.fault = "stuck"
                if not overdue:
                    return
            self.finish(batch, all_expired=overdue or fault == "all_expired")

    def finish(self, batch: Batch, *, all_expired: bool) -> None:
        """Work on the requests of `batch`: those that can't be stopped even when it is canceled."""
        batch.counts = dict.fromkeys(("succeeded", "errored", "canceled", "expired"), 0)
        for at, request in enumerate(batch.requests):
            if all_expired:
                row: dict[str, Any] = {"type": "expired"}
                entry = None
            elif batch.canceled and at % 3:
                row, entry = {"type": "canceled"}, None
            else:
                row, entry = self.worked(request["params"])
            batch.counts[row["type"]] += 1
            line = json.dumps({"custom_id": request["custom_id"], "result": row})
            batch.lines.append((line.encode(), entry))
        random.Random(len(batch.lines)).shuffle(batch.lines)  # noqa: S311  no secret
        batch.requests = [{}] * len(batch.requests)
        batch.status, batch.ended = "ended", self.now()

    def worked(self, asked: dict[str, Any]) -> tuple[dict[str, Any], Entry | None]:
        """Return how one request ended, and what was charged for it."""
        self.items += 1
        largest = self.service.config.largest_schema
        if wrong := wrong_with(asked, counting=False, largest_schema=largest):
            return errored(wrong[1], wrong[2]), None
        content = asked["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else content[0]["text"]
        script = self.service.script(self.items, prompt)
        fault = script.get("fault", "")
        if fault == "expired":
            return {"type": "expired"}, None
        if fault == "errored":
            return errored("api_error", "Internal server error"), None
        if fault == "invalid":
            return errored(BAD, script.get("message", "The request is not valid")), None
        message, entry = self.service.worked(
            asked, prompt, script, f"b{self.items:08d}", batch=True
        )
        return {"type": "succeeded", "message": message}, entry

    def told(self, batch: Batch, headers: Mapping[str, str]) -> "Answer":
        """Return `batch` as the service tells of it."""
        from tests.simulator.server import whole

        return whole(self.view(batch, headers))

    def view(self, batch: Batch, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return the object; all are being processed until all have ended."""
        ended = batch.ended is not None
        counts = {"processing": 0 if ended else len(batch.requests)}
        kinds = ("succeeded", "errored", "canceled", "expired")
        counts |= batch.counts if ended else dict.fromkeys(kinds, 0)
        archived = self.now() >= batch.created + ARCHIVED
        where = f"http://{headers.get('host', '127.0.0.1')}{ROOT}/{batch.id}/results"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": batch.status,
            "request_counts": counts,
            "created_at": moment(batch.created),
            "expires_at": moment(batch.created + DAY),
            "ended_at": moment(batch.ended),
            "cancel_initiated_at": moment(batch.canceled),
            "archived_at": moment(batch.created + ARCHIVED) if archived else None,
            "results_url": where if ended and not archived else None,
        }

    def list(self, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> "Answer":
        """Return a page of batches, newest first."""
        from tests.simulator.server import failure, whole

        limit = int(query.get("limit", ["20"])[0])
        if not 1 <= limit <= 1_000:
            return failure(400, BAD, "limit: between 1 and 1000")
        rows = list(reversed(self.all.values()))
        names = [batch.id for batch in rows]
        if after := query.get("after_id"):
            rows = rows[names.index(after[0]) + 1 :]
        elif before := query.get("before_id"):
            rows = rows[max(0, names.index(before[0]) - limit) : names.index(before[0])]
        page = rows[:limit]
        return whole(
            {
                "data": [self.view(batch, headers) for batch in page],
                "has_more": len(rows) > limit,
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
            }
        )

    def results(self, batch: Batch, fault: str) -> "Answer":
        """Return the lines of `batch` in no order, or as much of them as the fault allows."""
        from tests.simulator.server import Answer, failure

        if batch.ended is None or self.now() >= batch.created + ARCHIVED:
            return failure(404, "not_found_error", f"{batch.id} has no results")
        rows = list(batch.lines)
        if fault == "missing":
            rows = rows[1:]
        if fault == "duplicate":
            rows += rows[: len(rows) // 2 + 1]
        lines = [line for line, _entry in rows]
        if fault == "unknown":
            lines.insert(0, json.dumps({"custom_id": "who-1", "result": {"type": "x"}}).encode())
        head = {"content-type": "application/x-jsonl"}
        if fault == "cut_line":
            half = rows[: len(rows) // 2]
            sent = Answer(200, b"".join(line + b"\n" for line, _entry in half), head, how="close")
            sent.entries = [entry for _line, entry in half if entry]  # these lines do arrive
            return sent
        sent = Answer(200, b"".join(line + b"\n" for line in lines), head, how="chunked")
        if fault == "cut_mid":
            half = rows[: len(rows) // 2]  # these arrive, and half a line after them
            sent.how, sent.entries = "half", [entry for _line, entry in half if entry]
            rest = len(rows[len(half)][0]) // 2 if rows else 0
            sent.arrives = sum(len(line) + 1 for line, _entry in half) + rest
            return sent
        sent.entries = [entry for _line, entry in rows if entry]
        return sent

    def cancel(self, batch: Batch, headers: Mapping[str, str]) -> "Answer":
        """Begin to stop `batch`; what is being worked on comes to its end."""
        from tests.simulator.server import failure

        if batch.ended is not None:
            return failure(400, BAD, f"{batch.id} has ended and can't be canceled")
        batch.canceled, batch.status = batch.canceled or self.now(), "canceling"
        return self.told(batch, headers)

    def delete(self, batch: Batch) -> "Answer":
        """Forget `batch`."""
        from tests.simulator.server import failure, whole

        if batch.ended is None:
            return failure(400, BAD, f"{batch.id} has not ended")
        del self.all[batch.id]
        return whole({"id": batch.id, "type": "message_batch_deleted"})


def errored(kind: str, said: str) -> dict[str, Any]:
    """Return the result of a request that went wrong."""
    error = {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_row"}
    return {"type": "errored", "error": error}


def moment(seconds: float | None) -> str | None:
    """Return a time as the service writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
