"""What a coder is given and what it answers; a coder is anything that answers so.

Plain data, no Django: a `Guide` is a frozen codebook, a `Passage` is a segment in its interview,
a `Reply` is what came back. Offsets are half-open code-point ranges into `Passage.text`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Literal, Protocol

# [start, end, speaker, role]; role is "interviewer" or "participant".
Turn = tuple[int, int, str, str]
Kind = Literal["many", "one", "scale"]


@dataclass(frozen=True)
class CodeGuide:
    """One code as a coder needs it; `wordings` maps a language to label, definition, …"""

    key: str
    label: str
    definition: str = ""
    include: str = ""
    exclude: str = ""
    examples: tuple[str, ...] = ()
    wordings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class DimensionGuide:
    """One question of the codebook; a scale goes from `minimum` (`low`) to `maximum` (`high`)."""

    key: str
    label: str
    kind: Kind
    codes: tuple[CodeGuide, ...]
    question: str = ""
    minimum: float = 0.0
    maximum: float = 1.0
    low: str = ""
    high: str = ""
    wordings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Guide:
    """A frozen revision of a codebook, as a coder needs it."""

    name: str
    dimensions: tuple[DimensionGuide, ...]
    language: str = "en"


@dataclass(frozen=True)
class Passage:
    """What is to be coded: the range from `start` to `end` of an interview, with all of it around.

    `key` names the segment, so that a coder that learned from it knows it again.
    """

    text: str
    turns: Sequence[Turn]
    start: int
    end: int
    language: str
    key: str = ""

    @cached_property
    def spoken(self) -> list[Turn]:
        """The turns as a coder that numbers them counts: those with words, cut where the passage
        begins and ends."""
        text, cuts = self.text, (self.start, self.end)
        pieces: list[Turn] = []
        for turn in self.turns or [(0, len(text), "", "participant")]:
            start, end, speaker, role = turn
            inside = [at for at in cuts if start < at < end]
            for begin, stop in pairwise([start, *inside, end]) if inside else ((start, end),):
                words = text[begin:stop]
                if words and not words.isspace():
                    pieces.append((begin, stop, speaker, role))
        return pieces

    def participant(self) -> list[tuple[int, int]]:
        """Return the ranges inside the passage that the participant speaks."""
        spoken = [(s, e) for s, e, _speaker, role in self.turns if role == "participant"]
        if not self.turns:
            spoken = [(self.start, self.end)]
        clipped = [(max(s, self.start), min(e, self.end)) for s, e in spoken]
        return [(s, e) for s, e in clipped if e > s]


@dataclass(frozen=True)
class Quote:
    """Words that a coder points to; `turn` counts from 1, `start` is known where it was copied."""

    text: str
    turn: int | None = None
    start: int | None = None


@dataclass(frozen=True)
class Proposal:
    """A code that a coder proposes; on a scale `value` says where, and `code` is the dimension."""

    dimension: str
    code: str
    value: float | None = None
    confidence: float | None = None
    quotes: tuple[Quote, ...] = ()
    rationale: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer; `input` counts what was neither read from nor written to the cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True)
class Answered:
    """Every one of `dimensions` was decided; one without a proposal says: none applies."""

    proposals: tuple[Proposal, ...]
    dimensions: tuple[str, ...]


@dataclass(frozen=True)
class Translated(Answered):
    """An answer in words, by the number of the turn; it decides nothing."""

    proposals: tuple[Proposal, ...] = ()
    dimensions: tuple[str, ...] = ()
    words: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """The coder will not decide about this passage; asking again would not help."""

    reason: str


@dataclass(frozen=True)
class NotCovered:
    """The coder cannot decide about such passages; it is never a "no"."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """No usable answer. `wait` is after how many seconds to ask again, None for not at all.

    `service` says that the fault lies with the service or the way to it, not with the passage;
    `cut` that the answer ran out of room.
    """

    reason: str
    wait: float | None = None
    service: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Stopped:
    """No passage can be coded until a person has done something: the run stops here."""

    reason: str


@dataclass(frozen=True)
class TooLarge(Stopped):
    """The codebook does not fit into one request; a dimension at a time may."""


Outcome = Answered | Refused | NotCovered | Failed | Stopped


@dataclass(frozen=True)
class Allowed:
    """What a service says that it allows in a minute, and what is left of it.

    Both by kind: "requests", "input" and "output" tokens; a kind that it does not tell is absent.
    """

    limits: Mapping[str, int]
    left: Mapping[str, int]


@dataclass(frozen=True)
class Reply:
    """One answer of a coder with what it took; `usage` is None where it was not told.

    `maybe_billed` says that a request without usage may have been charged all the same.
    """

    outcome: Outcome
    usage: Usage | None = None
    request_id: str = ""
    model: str = ""
    raw: bytes = b""
    maybe_billed: bool = False
    allowed: Allowed | None = None


class Coder(Protocol):
    """Anything that answers. `remote` means every question is a request that may cost money."""

    name: str
    model: str
    remote: bool
    # How many passages it likes to be asked about at once.
    batch: int

    def code(self, passages: Sequence[Passage], after: Failed | None = None) -> list[Reply]:
        """Answer about each passage with one reply; `after` is how the last try ended."""

    def close(self) -> None:
        """Let go of connections; nothing is asked after."""
