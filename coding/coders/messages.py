"""One request to anything that speaks the Messages API, and how it ended.

It sends once; when to ask again, what it may cost and where it is written down is the business of
who asks. The SDK's own retries are off: every request is billed, and none may go out that the
ledger does not know of.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypedDict

from coding.coders import Allowed, Failed, Outcome, Refused, Reply, Stopped, TooLarge, Usage
from coding.coders.services import ANTHROPIC, KEYS, about_the_key, plain_name
from coding.coders.services import client as service_client
from coding.prompts import form_in_words
from studies.problems import _

if TYPE_CHECKING:
    from anthropic import Anthropic, APIStatusError
    from httpx2 import Headers

# What the words of an answer mean; they may be Unusable.
Understood = Callable[[str], Outcome]

LONGEST_WAIT = 300.0  # seconds; a service that asks for a day is asked again before
READ_TIMEOUT = 180.0  # seconds between two bytes
DEADLINE = 300.0  # seconds for the whole answer, however slowly it drips
LARGEST = 10_000_000  # bytes of one answer

# Limits of money or of the account: waiting does not lift them, a person does.
ACCOUNT_SIGNS = ("spend_limit", "on_hold", "billing", "cmek", "parent_organization")

# How JSON begins to say a character beyond the first 65,536, or one half of it.
HALF = re.compile(r"\\ud[89a-f]", re.IGNORECASE)

# A 400 with one of these is about the form of the answer and not about the interview.
FORM_SIGNS = ("output_config", "output_format", "structured output", "json_schema")
REQUEST_NAMES = ("request-id", "x-amzn-requestid", "apim-request-id", "x-goog-request-id")

# Each a whole line: strings inside of f-strings are not collected for translation.
NO_KEY = _("The key could not be loaded.")
UNKNOWN_KEY = _("The service does not know the key.")
NOT_ALLOWED = _("The key may not use this service or model.")
NO_MONEY = _("The account has reached a limit of money or is on hold: see its billing page.")
UNKNOWN_MODEL = _("The service does not know this model or address.")
TOO_LARGE = _("The codebook is too large for one request: use fewer codes in a run.")
NOT_AGAIN = _("The service asks not to be asked again.")
BUSY = _("The service is busy or has an error.")
REFUSED = _("The model refused.")
BROKEN = _("The connection broke.")
CUT_OFF = _("The answer was longer than its room.")
NOT_ACCEPTED = _("The service did not accept the request.")
BAD_HEADER = _("The key holds a character that can’t stand in a header, such as a line’s end.")
NO_FORM = _("The service does not hold answers to a form.")


class Unusable(Exception):
    """An answer that is not what was asked for, with what is wrong.

    `shapeless` says that it is not even in the form, as no service that holds to one gives it.
    """

    def __init__(self, reason: str, *, shapeless: bool = False) -> None:
        super().__init__(reason)
        self.shapeless = shapeless


class Where(TypedDict, total=False):
    """Who is asked, and how long: what `Asker` takes by name."""

    base_url: str | None
    api_key: str | None
    read_timeout: float
    deadline: float
    platform: str
    opened: "Anthropic | None"


class Asker:
    """Sends requests with one `system` prompt and one form of answer to `model`. Safe in many
    threads. What is asked, and what the words of an answer mean, is for who inherits it."""

    remote = True
    batch = 1

    def __init__(
        self,
        system: str,
        schema: dict[str, Any],
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        read_timeout: float = READ_TIMEOUT,
        deadline: float = DEADLINE,
        platform: str = ANTHROPIC,
        opened: "Anthropic | None" = None,
    ) -> None:
        """Open a client of `platform` (`coding/coders/services.py`), or use one that is `opened`;
        without a key anywhere this is a Problem."""
        self.model = model
        self.schema = schema
        self.deadline = deadline
        self.platform = platform
        self.client = opened or client(base_url, api_key, read_timeout, platform)
        self.service = str(self.client.base_url)
        self.account = account_of(self.client)
        self.system = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
        self.parameters = parameters(plain_name(model), schema)
        form = json.dumps(schema, ensure_ascii=False)
        # What every request carries besides the interview, in bytes: a bound on its tokens. The
        # form may come twice, as what the service is to hold to and in words.
        self.overhead = len((system + form + form).encode()) + 1_500
        # Many servers of one's own do not hold answers to a form: then it is said in words too.
        self.in_words = False

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def counted(self, message: str, **more: Any) -> int:
        """Return how many tokens a request has."""
        said = self.client.messages.count_tokens(
            model=self.model,
            messages=[{"role": "user", "content": message}],
            timeout=30.0,
            **more,
        )
        return said.input_tokens

    def worded(self, message: str, after: Failed | None = None) -> str:
        """Return `message` with what was wrong with an earlier answer to it, if anything was."""
        again = after is not None and not after.cut and not after.service
        if again and after:
            message += f"\n\nAn earlier answer could not be used: {after.reason} Answer again."
        if again or self.in_words:
            message += f"\n\n{form_in_words(self.schema)}"
        return message

    def send(self, message: str, room: int, understood: Understood) -> Reply:
        """Send `message` with `room` for the answer, in tokens, and return how it ended."""
        import anthropic
        import httpx2

        carried = self.parameters
        began = time.monotonic()
        body = bytearray()
        request_id = ""
        try:
            with self.client.messages.with_streaming_response.create(
                model=self.model,
                max_tokens=room,
                system=self.system,  # type: ignore[arg-type]
                messages=[{"role": "user", "content": message}],
                **carried,
            ) as response:
                headers = plain(response.headers)
                request_id = name_of(headers)
                for chunk in response.iter_bytes():
                    body += chunk
                    # The SDK's timeout is for each read; an answer that drips would never end.
                    if time.monotonic() - began > self.deadline or len(body) > LARGEST:
                        return Reply(
                            Failed(_("The answer took too long."), 0.0, service=True),
                            request_id=request_id,
                            raw=bytes(body[:LARGEST]),
                            maybe_billed=True,
                        )
        except anthropic.APIStatusError as error:
            return Reply(
                self.turned_away(error, carried),
                request_id=name_of(error.response.headers),
                raw=as_bytes(error.body),
                allowed=told(error.response.headers),
                # A gateway that gave up waiting does not know what went on behind it.
                maybe_billed=error.status_code in (408, 499, 502, 504),
            )
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, httpx2.LocalProtocolError):
                return Reply(Stopped(f"{BAD_HEADER} ({KEYS[self.platform]})"))
            late = isinstance(error, anthropic.APITimeoutError)
            reason = _("The service did not answer in time.") if late else BROKEN
            return Reply(
                Failed(f"{reason} ({type(cause).__name__})", 0.0, service=True),
                request_id=request_id,
                raw=bytes(body),
                # What never got through was never answered.
                maybe_billed=not isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout),
            )
        except Exception as error:
            if not isinstance(error, anthropic.CredentialsError) and not about_the_key(error):
                raise
            if getattr(error, "retryable", False):  # a token that could not be renewed just now
                return Reply(Failed(BROKEN, 0.0, service=True))
            return Reply(Stopped(f"{NO_KEY} ({error})"))
        return replace(self.heard(bytes(body), request_id, understood), allowed=told(headers))

    def turned_away(self, error: "APIStatusError", carried: Mapping[str, Any]) -> Outcome:
        """Return what an answer with an error status means for a request that `carried` a form."""
        said = (error.api_message or error.message).lower()
        output = carried.get("output_config", {})
        about_form = any(sign in said for sign in FORM_SIGNS) and "grammar" not in said
        if error.status_code != 400 or not about_form or "format" not in output:
            return refusal(error, self.platform)
        # Some services know no form, or keep it from an organization: it is asked for in words.
        self.in_words = True
        rest = {key: value for key, value in output.items() if key != "format"}
        kept = {key: value for key, value in carried.items() if key != "output_config"}
        self.parameters = {**kept, "output_config": rest} if rest else kept
        return Failed(NO_FORM, 0.0)

    def heard(self, body: bytes, request_id: str, understood: Understood) -> Reply:
        """Return what the answer `body` says, its words as they are `understood`."""
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        if not isinstance(message, dict) or message.get("type") != "message":
            # A proxy's page, or an answer that was cut: who sent it is not to blame the passage.
            reason = _("Something came back that is not an answer of the service.")
            failed = Failed(reason, 0.0, service=True)
            return Reply(failed, request_id=request_id, raw=body, maybe_billed=True)
        usage = taken(message.get("usage"))
        model = message.get("model")
        return Reply(
            self.decide(message, understood),
            usage=usage,
            request_id=request_id,
            model=model if isinstance(model, str) else self.model,
            raw=body,
            maybe_billed=usage is None,
        )

    def decide(self, message: Mapping[str, Any], understood: Understood) -> Outcome:
        """Return the outcome that `message` stands for."""
        stop = message.get("stop_reason")
        if stop == "refusal":
            details = message.get("stop_details")
            category = details.get("category") if isinstance(details, dict) else None
            return Refused(f"{REFUSED}{f' ({category})' if category else ''}")
        if stop == "max_tokens":
            return Failed(CUT_OFF, 0.0, cut=True)
        if stop == "model_context_window_exceeded":
            return Failed(_("The interview is longer than the model can read."))
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        text = "".join(
            block["text"]
            for block in blocks
            if isinstance(block, dict)
            and block.get("type") == "text"
            and isinstance(block.get("text"), str)
        )
        try:
            return understood(text)
        except Unusable as error:
            self.in_words = self.in_words or error.shapeless
            return Failed(str(error), 0.0)


def client(
    base_url: str | None = None,
    api_key: str | None = None,
    read_timeout: float = READ_TIMEOUT,
    platform: str = ANTHROPIC,
) -> "Anthropic":
    """Return a client that never asks twice by itself; without a key this is a Problem."""
    import httpx2

    return service_client(
        platform,
        base_url=base_url,
        api_key=api_key,
        timeout=httpx2.Timeout(read_timeout, connect=10.0),
    )


def account_of(opened: "Anthropic") -> str:
    """Return a digest that tells the key of a client from another without telling it.

    It is empty where there is no key that stays the same.
    """
    key = getattr(opened, "api_key", None) or getattr(opened, "auth_token", None)
    return hashlib.sha256(key.encode()).hexdigest()[:16] if isinstance(key, str) else ""


def plain(headers: "Headers") -> dict[str, str]:
    """Return `headers` by their names in small letters; a dict is read many times faster."""
    return {name.decode("latin-1").lower(): said.decode("latin-1") for name, said in headers.raw}


def name_of(headers: Mapping[str, str]) -> str:
    """Return the name that a service gave to a request; each has a header of its own for it."""
    return next((headers[name] for name in REQUEST_NAMES if name in headers), "")


def as_json(text: str) -> object:
    """Return the object that `text` is, or that stands in it among words; else it is Unusable.

    A model that no service holds to a form often puts its answer into a fence.
    """
    first, last = text.find("{"), text.rfind("}")
    for piece in (text, text[first : last + 1] if 0 <= first < last else ""):
        try:
            found = json.loads(piece)
            return whole_characters(found) if HALF.search(piece) else found
        except (ValueError, RecursionError):
            continue
    raise Unusable(_("The answer is not JSON."), shapeless=True)


def whole_characters(found: object) -> object:
    """Return `found` without halves of characters, which JSON can say and nothing else can hold."""
    said = json.dumps(found, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(said.decode("utf-16", "replace"))


def parameters(model: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a request to `model` carries besides the words: the form, and how to think."""
    output: dict[str, Any] = {"format": {"type": "json_schema", "schema": schema}}
    if model.startswith("claude-haiku-5"):
        # Thinking is billed as output and is on unless it is turned off.
        return {"output_config": output, "thinking": {"type": "disabled"}}
    if model.startswith(("claude-sonnet-5", "claude-opus-5", "claude-fable", "claude-mythos")):
        return {"output_config": {**output, "effort": "low"}}
    return {"output_config": output}


def refusal(error: "APIStatusError", platform: str = ANTHROPIC) -> Outcome:
    """Return what an answer with an error status means: stop, ask again later, or give up."""
    status = error.status_code
    said = error.api_message or error.message
    sentence = said.strip().splitlines()[0][:300] if said.strip() else str(status)
    code = error.error_code or ""
    headers = error.response.headers
    if status == 401:
        if platform == ANTHROPIC:
            return Stopped(_("The service does not know the key: check ANTHROPIC_API_KEY."))
        return Stopped(f"{UNKNOWN_KEY} ({KEYS[platform]})")
    if status == 402 or any(sign in code for sign in ACCOUNT_SIGNS):
        return Stopped(f"{NO_MONEY} ({sentence})")
    if status == 403:
        return Stopped(f"{NOT_ALLOWED} ({sentence})")
    if status == 404:
        return Stopped(f"{UNKNOWN_MODEL} ({sentence})")
    if status == 400 and "grammar" in said.lower():
        return TooLarge(f"{TOO_LARGE} ({sentence})")
    if headers.get("x-should-retry") == "false" and status == 429:
        return Stopped(f"{NOT_AGAIN} ({sentence})")
    if status in (408, 409, 429) or status >= 500:
        reason = f"{BUSY} ({status})"
        return Failed(reason, retry_after(headers), service=True)
    return Failed(f"{NOT_ACCEPTED} ({status}: {sentence})")


def retry_after(headers: Mapping[str, str]) -> float:
    """Return how many seconds the service asks to wait, 0 where it does not say; bounded."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return bounded(float(milliseconds) / 1_000)
        value = headers.get("retry-after")
        if value is None:
            return 0.0
        try:
            return bounded(float(value))
        except ValueError:
            when = parsedate_to_datetime(value)
            return bounded((when.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def bounded(seconds: float) -> float:
    """Return `seconds` between nothing and the longest that is waited."""
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else 0.0


def told(headers: Mapping[str, Any]) -> Allowed | None:
    """Return what the headers of an answer tell about limits, None where they tell nothing."""
    limits: dict[str, int] = {}
    left: dict[str, int] = {}
    for kind, name in (
        ("requests", "requests"),
        ("input", "input-tokens"),
        ("output", "output-tokens"),
    ):
        limit = str(headers.get(f"anthropic-ratelimit-{name}-limit", ""))
        remaining = str(headers.get(f"anthropic-ratelimit-{name}-remaining", ""))
        if limit.isdecimal() and 0 < int(limit) < 10**15:
            limits[kind] = int(limit)
            if remaining.isdecimal():
                left[kind] = min(int(remaining), int(limit))
    return Allowed(limits, left) if limits else None


def as_bytes(body: object) -> bytes:
    """Return the body of an error as it came, or nearly so."""
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def taken(usage: object) -> Usage | None:
    """Return the tokens that an answer tells it took, None where it does not tell."""
    if not isinstance(usage, dict):
        return None
    names = (
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    )
    counts = [usage.get(name) or 0 for name in names]
    known = all(isinstance(count, int) and count >= 0 for count in counts)
    if not known or "input_tokens" not in usage or "output_tokens" not in usage:
        return None
    return Usage(*counts)
