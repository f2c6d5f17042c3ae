"""Message batches of Claude: many requests in one, at a part of the price, within a day.

Like the coder itself it sends once and says how that ended. Bodies are streamed from a file and
results line by line, so memory does not grow with a batch.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO, Any

from coding.coders import Failed, Outcome, Passage, Reply, Stopped, TooLarge
from coding.coders.claude import ClaudeCoder
from coding.coders.messages import BROKEN, NO_KEY, NOT_ACCEPTED, TOO_LARGE, refusal
from coding.coders.messages import BUSY as ERROR
from coding.coders.services import needs_batches
from studies.problems import _

PATH = "/v1/messages/batches"
LONGEST_UPLOAD = 3_600.0  # seconds after which sending a batch is given up
SOME = 10  # results that tell whose a batch is
OPENING, BETWEEN, CLOSING = b'{"requests":[', b",\n", b"]}"
# The service is busy and says that it took nothing; any other 5xx leaves it open.
BUSY = (429, 503, 529)
# What is wrong with the account and not with a request.
ACCOUNT = ("authentication_error", "permission_error", "billing_error", "not_found_error")


class NotTaken(Exception):
    """The batch does not exist at the service, and `outcome` says why."""

    def __init__(self, outcome: Outcome, *, too_large: bool = False) -> None:
        super().__init__(getattr(outcome, "reason", ""))
        self.outcome = outcome
        self.too_large = too_large


class InDoubt(Exception):
    """Whether the batch exists only the service knows."""


class Unreachable(Exception):
    """The service did not answer as it should; `outcome` says what that means."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(getattr(outcome, "reason", ""))
        self.outcome = outcome


class Gone(Exception):
    """The service knows no such batch, or no longer has its answers."""


@dataclass(frozen=True)
class Seen:
    """A batch as the service tells of it."""

    id: str
    ended: bool
    requests: int
    succeeded: int
    created: datetime
    canceling: bool


class ClaudeBatches:
    """Sends, watches and fetches batches of requests that `coder` would send one by one."""

    def __init__(self, coder: ClaudeCoder) -> None:
        """Send by `coder`; a service that takes no batches is a Problem."""
        needs_batches(coder.platform)
        self.coder = coder
        self.batches = coder.client.messages.batches
        self.shared: dict[tuple[int, bool], bytes] = {}

    def line(
        self, name: str, passage: Passage, after: Failed | None = None, *, cached: bool = True
    ) -> bytes:
        """Return the request about `passage` under `name`, in UTF-8."""
        message = self.coder.message(passage, after)
        content = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        return b'{"custom_id":"%b","params":{%b,"messages":[{"role":"user","content":%b}]}}' % (
            name.encode(),
            self.same(self.coder.most_room(after), cached),
            content,
        )

    def same(self, room: int, cached: bool) -> bytes:
        """Return what all requests of a batch share."""
        if (room, cached) not in self.shared:
            system: list[dict[str, Any]] = [dict(block) for block in self.coder.system]
            if not cached:
                for block in system:
                    block.pop("cache_control", None)
            whole = json.dumps(
                {
                    "model": self.coder.model,
                    "max_tokens": room,
                    "system": system,
                    **self.coder.parameters,
                },
                ensure_ascii=False,
            )
            self.shared[room, cached] = whole[1:-1].encode("utf-8", "replace")
        return self.shared[room, cached]

    def send(self, body: IO[bytes]) -> str:
        """Send the batch in the file `body` and return its id; raises NotTaken or InDoubt."""
        import anthropic
        import httpx2
        from anthropic.types.messages import MessageBatch

        body.seek(0)
        try:
            # What the SDK's own `create` does, but for holding the body in memory three times.
            made: object = self.coder.client.post(
                PATH, content=Upload(body, LONGEST_UPLOAD), cast_to=MessageBatch
            )
        except anthropic.APIStatusError as error:
            if error.status_code >= 500 and error.status_code not in BUSY:
                raise InDoubt(str(error.status_code)) from error
            if error.status_code in (408, 409, 499):
                raise InDoubt(str(error.status_code)) from error
            raise NotTaken(refusal(error), too_large=error.status_code == 413) from error
        except anthropic.CredentialsError as error:
            raise NotTaken(Stopped(f"{NO_KEY} ({error})")) from error
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise NotTaken(broken(cause)) from error
            raise InDoubt(type(cause).__name__) from error
        except (ValueError, TimeoutError) as error:
            raise InDoubt(type(error).__name__) from error
        if not isinstance(made, MessageBatch) or not isinstance(made.id, str):
            raise InDoubt(type(made).__name__)
        return made.id

    def look(self, name: str) -> Seen:
        """Return how the batch `name` stands."""
        with understood():
            return seen(self.batches.retrieve(name, timeout=60.0))

    def recent(self, since: datetime) -> list[Seen]:
        """Return the batches of the account since then, newest first."""
        found = []
        with understood():
            page = self.batches.list(limit=100, timeout=60.0)
            # Anything else would look like an account without batches, and ours like lost ones.
            if not isinstance(getattr(page, "data", None), list):
                raise ValueError("not a list of batches")
            for batch in page:
                one = seen(batch)
                if one.created < since:
                    break
                found.append(one)
        return found

    def cancel(self, name: str) -> None:
        """Ask the service to stop the batch; what it works on it still brings to an end."""
        with understood():
            self.batches.cancel(name, timeout=60.0)

    def some_names(self, name: str) -> list[str]:
        """Return the names of some requests in the batch, which has to have ended."""
        return [custom_id for custom_id, _result in islice(self.lines(name), SOME)]

    def lines(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what became of each request, by its name; a stream that breaks is Unreachable.

        One that is cut at a line's end just ends: who reads has to count.
        """
        with (
            understood(),
            # Read as bytes: the SDK's decoder takes a line that was cut for an error of ours.
            self.batches.with_streaming_response.results(name) as response,
        ):
            rest = b""
            for chunk in response.iter_bytes():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    if line.strip():
                        yield parsed(line)
            if rest.strip():
                yield parsed(rest)

    def reply(self, result: dict[str, Any]) -> Reply:
        """Return what the `result` of one request says."""
        kind = result.get("type")
        if kind == "succeeded" and isinstance(result.get("message"), dict):
            message = result["message"]
            raw = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
            return self.coder.read(raw, str(message.get("id", "")))
        raw = json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")
        if kind == "errored":
            about = result.get("error")
            about = about if isinstance(about, dict) else {}
            return Reply(
                went_wrong(about.get("error")), request_id=str(about.get("request_id")), raw=raw
            )
        if kind == "canceled":
            return Reply(Stopped(_("The batch was canceled.")))
        if kind == "expired":
            return Reply(Failed(_("The batch ran out of time."), 0.0, service=True))
        reason = _("Something came back that is not an answer of the service.")
        return Reply(Failed(reason, 0.0, service=True), raw=raw, maybe_billed=True)


class Upload:
    """A file that is sent piece by piece, and not for ever."""

    def __init__(self, body: IO[bytes], seconds: float) -> None:
        self.body = body
        self.end = time.monotonic() + seconds

    def tell(self) -> int:
        """Return where it stands; with `seek` this tells the client its length."""
        return self.body.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place and return it."""
        return self.body.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Return the next piece; raises TimeoutError when it took too long."""
        if time.monotonic() > self.end:
            raise TimeoutError
        return self.body.read(size)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(65_536):
            yield piece


@contextmanager
def understood() -> Iterator[None]:
    """Turn what goes wrong with a question that costs nothing into Unreachable or Gone."""
    import anthropic
    import httpx2

    try:
        yield
    except anthropic.APIStatusError as error:
        if error.status_code == 404:
            raise Gone from error
        outcome = refusal(error)
        if isinstance(outcome, Failed) and not outcome.service:
            outcome = Stopped(outcome.reason)
        raise Unreachable(outcome) from error
    except anthropic.CredentialsError as error:
        raise Unreachable(Stopped(f"{NO_KEY} ({error})")) from error
    except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
        raise Unreachable(broken(error.__cause__ or error)) from error
    except (ValueError, AttributeError) as error:  # for the SDK a proxy's page is a plain text
        raise Unreachable(broken(error)) from error
    except anthropic.AnthropicError as error:  # no results, and no promise of any
        raise Gone from error


def broken(error: BaseException) -> Failed:
    """Return that the way to the service broke."""
    return Failed(f"{BROKEN} ({type(error).__name__})", 0.0, service=True)


def seen(batch: Any) -> Seen:
    """Return `batch` as far as it matters; what is no batch is a ValueError."""
    try:
        counts = batch.request_counts
        parts = (
            counts.processing,
            counts.succeeded,
            counts.errored,
            counts.canceled,
            counts.expired,
        )
        return Seen(
            id=batch.id,
            ended=batch.processing_status == "ended",
            requests=sum(parts),
            succeeded=counts.succeeded,
            created=batch.created_at,
            canceling=batch.cancel_initiated_at is not None,
        )
    except (AttributeError, TypeError) as error:
        raise ValueError("not a batch") from error


def parsed(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return the name and the result of one line; what is neither is a ValueError."""
    row = json.loads(line)
    if not isinstance(row, dict) or not isinstance(row.get("result"), dict):
        raise ValueError("not a result")
    return str(row.get("custom_id", "")), row["result"]


def went_wrong(error: object) -> Outcome:
    """Return what an errored request means: stop, send it again, or once more and then no more."""
    fields = error if isinstance(error, dict) else {}
    kind, said = str(fields.get("type", "")), str(fields.get("message", ""))[:300]
    if "grammar" in said.lower():
        words = TOO_LARGE
        return TooLarge(f"{words} ({said})")
    if kind in ACCOUNT:
        return Stopped(f"{NOT_ACCEPTED} ({kind}: {said})")
    if kind in ("invalid_request_error", "request_too_large"):
        return Failed(f"{NOT_ACCEPTED} ({kind}: {said})", 0.0)
    return Failed(f"{ERROR} ({kind})", 0.0, service=True)
