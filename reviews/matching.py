"""Which codes of two revisions are the same, so that codings under both can be compared.

By dimension and key, unless a mapping says otherwise: `old=new`, several times for a code that was
split or merged, `old=` for one that was dropped. What is split or merged is compared as one code,
which applies where any part of it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codebooks.models import Kind
from reviews.tables import NOT_KNOWN, Column, Floats, Guide, Labels, Question
from studies.problems import Problem, _

Known = tuple[Question, Column, int]
"""A code, its dimension and its column."""


@dataclass(frozen=True)
class Pair:
    """Codes of the first side and of the second that are the same; columns of labels or values."""

    question: Question
    code: str
    label: str
    color: str
    first: tuple[int, ...]
    second: tuple[int, ...]

    @property
    def scale(self) -> bool:
        return self.question.kind == Kind.SCALE

    def named(self) -> dict[str, str]:
        """Return what a row about it begins with."""
        return {
            "dimension": self.question.key,
            "code": self.code,
            "kind": self.question.kind,
            "label": self.label,
            "color": self.color,
        }


@dataclass(frozen=True)
class Unmatched:
    """A code that one side alone has, or a scale whose ends moved."""

    side: str
    dimension: str
    code: str
    label: str
    why: str


def matched(
    first: Guide, second: Guide, mapping: Sequence[str] = ()
) -> tuple[list[Pair], list[Unmatched]]:
    """Return the codes that both guides have, in the order of the second, and those left alone."""
    sides = [_codes(guide) for guide in (first, second)]
    links = _links(sides, mapping)
    group: dict[tuple[int, str], set[tuple[int, str]]] = {}
    for one, other in links:
        joined = group.get((0, one), {(0, one)}) | group.get((1, other), {(1, other)})
        for member in joined:
            group[member] = joined
    pairs: list[Pair] = []
    left: list[Unmatched] = []
    done: set[tuple[int, str]] = set()
    for name, (question, code, _column) in sides[1].items():
        members = group.get((1, name))
        if members is None or (1, name) in done:
            if members is None:
                left.append(Unmatched("second", question.key, code.key, code.label, "alone"))
            continue
        done |= members
        ours = [[sides[side][key] for at, key in sorted(members) if at == side] for side in (0, 1)]
        ours = [sorted(each, key=lambda found: found[2]) for each in ours]
        if why := _apart(ours):
            left.append(Unmatched("second", question.key, code.key, code.label, why))
            continue
        pairs.append(
            Pair(
                question,
                code.key if len(ours[1]) == 1 else "+".join(found[1].key for found in ours[1]),
                " + ".join(found[1].label for found in ours[1]),
                code.color,
                tuple(found[2] for found in ours[0]),
                tuple(found[2] for found in ours[1]),
            )
        )
    for name, (question, code, _column) in sides[0].items():
        if (0, name) not in group:
            left.append(Unmatched("first", question.key, code.key, code.label, "alone"))
    return pairs, left


def _codes(guide: Guide) -> dict[str, Known]:
    """Return every code by dimension/key, with its question and its column."""
    return {
        f"{question.key}/{code.key}": (question, code, column)
        for question in guide.questions
        for column, code in enumerate(question.codes, question.first)
    }


def _links(sides: Sequence[dict[str, Known]], mapping: Sequence[str]) -> list[tuple[str, str]]:
    """Return which codes are the same; a code that the mapping names goes by it alone."""
    given: list[tuple[str, str]] = []
    said: set[str] = set()
    for entry in mapping:
        old, equals, new = (part.strip() for part in entry.partition("="))
        if not (old and equals):
            raise Problem(
                _("“%(entry)s” maps nothing: write old=new, or old= for a code that was dropped."),
                entry=entry,
            )
        name = _named(sides[0], old)
        said.add(name)
        if new:
            given.append((name, _named(sides[1], new)))
    return given + [(name, name) for name in sides[0] if name in sides[1] and name not in said]


def _named(codes: dict[str, Known], name: str) -> str:
    """Return the dimension/key that `name` means; a key alone does where one dimension has it."""
    found = [known for known in codes if known == name or known.partition("/")[2] == name]
    if len(found) != 1:
        raise Problem(
            _("“%(name)s” is no code of that revision, or one of several: it has %(known)s."),
            name=name,
            known=", ".join(codes),
        )
    return found[0]


def _apart(ours: Sequence[Sequence[Known]]) -> str:
    """Return why codes that belong together can't be compared, or ""."""
    everyone = [found[0] for side in ours for found in side]
    scales = [question for question in everyone if question.kind == Kind.SCALE]
    if not scales:
        return ""
    if len(everyone) != 2 or len(scales) != 2:
        return "kind"
    ends = {(question.minimum, question.maximum) for question in scales}
    return "" if len(ends) == 1 else "ends"


def merged(labels: Labels, columns: Sequence[int]) -> Labels:
    """Return one label a unit for several codes: it applies where any of them does."""
    some = labels[:, list(columns)]
    applies, unknown = (some == 1).any(axis=1), (some == NOT_KNOWN).any(axis=1)
    return np.where(applies, 1, np.where(unknown, NOT_KNOWN, 0)).astype(np.int8)


def merged_shares(labels: Floats, columns: Sequence[int]) -> Floats:
    """Return the share who say yes to any of several codes, as far as it is known."""
    some = labels[:, list(columns)]
    # Who said which is no longer told apart: the largest share is the least that it can be.
    whole = np.where(np.isnan(some).any(axis=1), np.nan, np.nan_to_num(some).max(axis=1))
    return np.where((some == 1).any(axis=1), 1.0, whole)
