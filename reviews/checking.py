"""Whether what a coder sends fits what they were asked, in one sentence where it does not."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from codebooks.models import Code, Dimension, Kind
from coding.models import Answer
from reviews.models import Item
from reviews.questions import Answers, Codes, Range, Said, spoken
from studies.problems import UNSTORABLE, Problem, _

LONGEST_NOTE = 10_000
NAMED = 5  # codes that one sentence names
ANSWERS = frozenset(Answer.values)


def checked(
    answers: Answers,
    codes: Codes,
    item: Item,
) -> Answers:
    """Return `answers` as they are kept, or raise a Problem that says what does not fit."""
    for key in [*answers.decided, *answers.left, *(one.dimension for one in answers.said)]:
        if key not in codes:
            raise Problem(_("The codebook has no dimension “%(dimension)s”."), dimension=key)
    if answers.confidence not in (None, 1, 2, 3):
        raise Problem(_("How sure you are is a number from 1 to 3, or left out."))
    words = spoken(item) if any(said.passages for said in answers.said) else []
    evidence = item.sample.study.evidence_required
    kept: list[Said] = []
    for key, (dimension, known) in codes.items():
        said = {one.code: one for one in answers.said if one.dimension == key}
        if len(said) < sum(one.dimension == key for one in answers.said):
            raise Problem(
                _("A code of “%(dimension)s” is answered twice."), dimension=dimension.label
            )
        for one in said.values():
            _check_said(one, dimension, known)
            _check_passages(one, known[one.code], words)
            if evidence and dimension.kind != Kind.SCALE:
                _check_evidence(one, known[one.code])
        left = key in answers.left
        if not left:
            _check_decided(dimension, said, known, decided=key in answers.decided)
        # In a dimension decided in full, what is not marked does not apply; it needs no row.
        kept += [
            Said(key, one.code, one.answer, one.value, tuple(sorted(set(one.passages))))
            for one in (said[code] for code in known if code in said)
            if left or one.answer != Answer.NO
        ]
    return Answers(
        tuple(kept),
        frozenset(codes) - answers.left,
        answers.left,
        clean(answers.note, LONGEST_NOTE),
        answers.confidence,
    )


def _check_said(said: Said, dimension: Dimension, known: Mapping[str, Code]) -> None:
    if said.code not in known:
        raise Problem(
            _("“%(dimension)s” has no code “%(code)s”."),
            dimension=dimension.label,
            code=said.code,
        )
    if said.answer not in ANSWERS:
        raise Problem(
            _("“%(code)s” takes yes, no or unsure as an answer."), code=known[said.code].label
        )
    if dimension.kind != Kind.SCALE:
        if said.value is not None:
            raise Problem(
                _("“%(dimension)s” is no scale and takes no value."), dimension=dimension.label
            )
        return
    low, high = dimension.minimum or 0.0, dimension.maximum or 0.0
    if said.value is None or not math.isfinite(said.value) or not low <= said.value <= high:
        raise Problem(
            _("“%(dimension)s” takes a value from %(low)g to %(high)g."),
            dimension=dimension.label,
            low=low,
            high=high,
        )


def _check_passages(said: Said, code: Code, words: Sequence[Range]) -> None:
    if said.passages and said.answer == Answer.NO:
        raise Problem(
            _("“%(code)s” is answered with no, and there is evidence for it: change one of them."),
            code=code.label,
        )
    for start, end in said.passages:
        if not any(begin <= start < end <= stop for begin, stop in words):
            raise Problem(
                _(
                    "The evidence for “%(code)s” (characters %(start)d to %(end)d) is not within "
                    "one turn of the participant: select it again."
                ),
                code=code.label,
                start=start,
                end=end,
            )


def _check_evidence(said: Said, code: Code) -> None:
    if said.answer == Answer.YES and not said.passages:
        raise Problem(
            _(
                "“%(code)s” is answered with yes: select the words that say so, as this study asks "
                "for."
            ),
            code=code.label,
        )


def _check_decided(
    dimension: Dimension, said: Mapping[str, Said], known: Mapping[str, Code], *, decided: bool
) -> None:
    missing = [code.label for key, code in known.items() if key not in said]
    applied = [one for one in said.values() if one.answer == Answer.YES]
    if dimension.kind == Kind.MANY and len(missing) > NAMED:
        raise Problem(
            _("Codes of “%(dimension)s” without an answer: %(count)s, among them %(codes)s."),
            dimension=dimension.label,
            count=len(missing),
            codes=", ".join(missing[:NAMED]),
        )
    if dimension.kind == Kind.MANY and missing:
        raise Problem(
            _("“%(dimension)s” has codes without an answer yet: %(codes)s."),
            dimension=dimension.label,
            codes=", ".join(missing),
        )
    if dimension.kind == Kind.ONE and len(applied) > 1:
        raise Problem(
            _("“%(dimension)s” takes one code, not %(count)d."),
            dimension=dimension.label,
            count=len(applied),
        )
    if dimension.kind != Kind.MANY and not (said or decided):
        raise Problem(
            _("“%(dimension)s” has no answer yet: choose one, or leave it out."),
            dimension=dimension.label,
        )


def clean(text: str, most: int) -> str:
    """Return `text` as a database keeps it, without white space around it, cut to `most`."""
    return UNSTORABLE.sub("", text.replace("\r\n", "\n")).strip()[:most]


def storable(value: Any) -> Any:
    """Return a JSON value as every database keeps it."""
    if isinstance(value, dict):
        return {UNSTORABLE.sub("", str(key)): storable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [storable(one) for one in value]
    return UNSTORABLE.sub("", value) if isinstance(value, str) else value
