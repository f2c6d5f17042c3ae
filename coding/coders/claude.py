"""The Claude coder: one request a passage, to anything that speaks the Messages API."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from coding.coders import (
    Answered,
    DimensionGuide,
    Failed,
    Guide,
    Outcome,
    Passage,
    Proposal,
    Quote,
    Reply,
    TooLarge,
)
from coding.coders.messages import Asker, Unusable, Where, as_json, refusal
from coding.prompts import CONFIDENCE, Prompt, by_dimension, none_key, user_turn
from studies.problems import _

MODEL = "claude-haiku-5-5"
ROOM = 2_000  # tokens an answer may have; limits are charged on it before the answer
MORE_ROOM = 8_000  # for the second try of an answer that was cut off
TURN_MARK = 64  # bytes that a turn's number and role take at most
LONGEST_REASON = 1_000  # characters of a rationale that are kept

LONGEST_LABEL = 40  # characters of an unknown label that are told back to the model


class ClaudeCoder(Asker):
    """Codes one passage a request with `model`, by `prompt`. Safe in many threads."""

    name = "claude"

    def __init__(
        self,
        prompt: Prompt,
        model: str = MODEL,
        *,
        room: int = ROOM,
        **where: Unpack[Where],
    ) -> None:
        """Open a client, or use one; without a key anywhere this is a Problem."""
        super().__init__(prompt.system, prompt.schema, model, **where)
        self.prompt = prompt
        self.room = room

    def code(self, passages: Sequence[Passage], after: Failed | None = None) -> list[Reply]:
        """Answer about each of `passages` with one request."""
        return [self.ask(passage, after) for passage in passages]

    def by_dimension(self) -> list["ClaudeCoder"]:
        """Return a coder for each dimension, on the same connections."""
        return [
            ClaudeCoder(
                prompt,
                self.model,
                room=self.room,
                deadline=self.deadline,
                platform=self.platform,
                opened=self.client,
            )
            for prompt in by_dimension(self.prompt.guide)
        ]

    def size(self, passage: Passage) -> int:
        """Return how many bytes of input a request about `passage` has at most."""
        marks = TURN_MARK * (len(passage.turns) + 10)
        return self.overhead + len(passage.text.encode("utf-8", "replace")) + marks

    def most_room(self, after: Failed | None = None) -> int:
        """Return how many tokens an answer may have."""
        return max(MORE_ROOM, self.room) if after and after.cut else self.room

    def count(self, passages: Sequence[Passage]) -> tuple[int, int, list[int]]:
        """Return the tokens, by the service, of the prompt, of the form, and of each message.

        The prompt is what is marked for the cache. A form that is too large is a `TooLargeForm`.
        """
        import anthropic

        alone = self.count_messages(passages)
        if not alone:
            return 0, 0, []
        prompted = self.counted(user_turn(passages[0]), system=self.system)
        output = self.parameters.get("output_config", {})
        try:
            whole = self.counted(
                user_turn(passages[0]),
                system=self.system,
                output_config={"format": output["format"]},
            )
        except anthropic.BadRequestError as error:
            if isinstance(refusal(error), TooLarge):
                raise TooLargeForm from error
            raise
        return prompted - alone[0], whole - prompted, alone

    def count_messages(self, passages: Sequence[Passage]) -> list[int]:
        """Return how many tokens each message has, by the service."""
        return [self.counted(user_turn(passage)) for passage in passages]

    def message(self, passage: Passage, after: Failed | None = None) -> str:
        """Return what the model is told about `passage`, and about an earlier answer to it."""
        return self.worded(user_turn(passage), after)

    def ask(self, passage: Passage, after: Failed | None = None) -> Reply:
        """Send one request about `passage` and return how it ended."""
        return self.send(self.message(passage, after), self.most_room(after), self.understood)

    def read(self, body: bytes, request_id: str = "") -> Reply:
        """Return what the answer `body` says."""
        return self.heard(body, request_id, self.understood)

    def understood(self, text: str) -> Outcome:
        """Return what the words of an answer decide."""
        return answered(self.prompt.guide, as_json(text))


class TooLargeForm(Exception):
    """The service says that the codebook is too large for one request."""


def answered(guide: Guide, answer: object) -> Answered:
    """Return the proposals of `answer`; one that is not in the asked form raises Unusable."""
    if not isinstance(answer, dict):
        raise Unusable(_("The answer is not an object."), shapeless=True)
    proposals: list[Proposal] = []
    for dimension in guide.dimensions:
        if dimension.key not in answer:
            raise Unusable(f"The answer says nothing about “{dimension.key}”.", shapeless=True)
        given = answer[dimension.key]
        if dimension.kind == "scale":
            proposals += on_scale(dimension, given)
        elif dimension.kind == "one":
            proposals += among(dimension, [given])
        else:
            if not isinstance(given, list):
                raise Unusable(f"“{dimension.key}” is not a list.")
            proposals += among(dimension, given)
    return Answered(tuple(proposals), tuple(dimension.key for dimension in guide.dimensions))


def among(dimension: DimensionGuide, given: list[object]) -> list[Proposal]:
    """Return a proposal for each code that `given` applies; a code given twice is one."""
    if not given:
        raise Unusable(f"The answer says nothing about “{dimension.key}”.")
    known = {code.key for code in dimension.codes}
    found: dict[str, Proposal] = {}
    for entry in given:
        fields = an_object(dimension, entry)
        key = fields.get("code")
        if key == none_key(dimension):
            continue
        if not isinstance(key, str) or key not in known:
            # The model is told this outside of the interview: a label that a participant made up
            # must not get to say much there.
            label = " ".join(str(key).split())[:LONGEST_LABEL]
            raise Unusable(f"“{label}” is not a code of “{dimension.key}”.")
        proposal = Proposal(
            dimension.key,
            key,
            confidence=confidence(dimension, fields),
            quotes=quotes(dimension, fields),
            rationale=rationale(fields),
        )
        if earlier := found.get(key):
            proposal = Proposal(
                dimension.key,
                key,
                confidence=max(earlier.confidence or 0, proposal.confidence or 0),
                quotes=tuple(dict.fromkeys(earlier.quotes + proposal.quotes)),
                rationale=earlier.rationale or proposal.rationale,
            )
        found[key] = proposal
    return list(found.values())


def on_scale(dimension: DimensionGuide, given: object) -> list[Proposal]:
    """Return where `given` stands on the scale; nothing where it is not expressed."""
    fields = an_object(dimension, given)
    expressed, value = fields.get("expressed"), fields.get("value")
    if not isinstance(expressed, bool):
        raise Unusable(f"“{dimension.key}” does not say whether it is expressed.")
    if not expressed:
        return []
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"“{dimension.key}” has no number.")
    if not dimension.minimum <= value <= dimension.maximum:
        raise Unusable(
            f"“{dimension.key}” is {value}, which is not between "
            f"{dimension.minimum:g} and {dimension.maximum:g}."
        )
    return [
        Proposal(
            dimension.key,
            dimension.codes[0].key if dimension.codes else dimension.key,
            value=float(value),
            confidence=confidence(dimension, fields),
            quotes=quotes(dimension, fields),
            rationale=rationale(fields),
        )
    ]


def an_object(dimension: DimensionGuide, entry: object) -> dict[str, Any]:
    """Return `entry`, which has to be an object."""
    if not isinstance(entry, dict):
        raise Unusable(f"“{dimension.key}” holds something that is not an object.")
    return entry


def confidence(dimension: DimensionGuide, fields: Mapping[str, Any]) -> float:
    """Return the confidence as a share; the three levels are calibrated against people later."""
    level = fields.get("confidence")
    if not isinstance(level, str) or level not in CONFIDENCE:
        raise Unusable(f"“{dimension.key}” has no confidence of low, medium or high.")
    return CONFIDENCE[level]


def quotes(dimension: DimensionGuide, fields: Mapping[str, Any]) -> tuple[Quote, ...]:
    """Return the quotations given; empty ones are left out."""
    given = fields.get("quotes")
    if not isinstance(given, list):
        raise Unusable(f"“{dimension.key}” has no list of quotes.")
    found = []
    for entry in given:
        if not isinstance(entry, dict) or not isinstance(entry.get("quote"), str):
            raise Unusable(f"“{dimension.key}” holds a quote that is not text.")
        turn = entry.get("turn")
        number = turn if isinstance(turn, int) and not isinstance(turn, bool) else None
        if entry["quote"].strip():
            found.append(Quote(entry["quote"], number))
    return tuple(found)


def rationale(fields: Mapping[str, Any]) -> str:
    """Return the reason given, at a length that can be read."""
    reason = fields.get("reason")
    return reason.strip()[:LONGEST_REASON] if isinstance(reason, str) else ""
