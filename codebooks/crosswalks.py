"""What one codebook says and another says otherwise: the crosswalk of their codes; plain Python.

Codes go by their keys, as revisions keep them. One whose key is gone is found again by its GUID,
or by its label where only one code on each side has it: then it is renamed, and codings under its
old key count for the new one only where somebody says so (`mapping`).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Generic, TypeVar

from codebooks.exchange.books import (
    CODE_TEXTS,
    DIMENSION_TEXTS,
    Book,
    CodeSpec,
    DimensionSpec,
    WordingSpec,
)
from codebooks.exchange.tables import cell_text

Spec = TypeVar("Spec", CodeSpec, DimensionSpec)
MOST_NAMED = 20  # codes whose order is written out
MOST_WORDS = 500  # of a text that is compared word by word


class Status(StrEnum):
    """How a dimension or a code differs; one may be renamed and reworded at once."""

    NEW = "new"
    GONE = "gone"
    RENAMED = "renamed"
    REWORDED = "reworded"
    CHANGED = "changed"  # its kind, its ends, its place, its colour


@dataclass(frozen=True)
class Change:
    """One field that says something else; `language` is "" for the codebook's own."""

    status: Status
    field: str
    before: str
    after: str
    language: str = ""


@dataclass(frozen=True)
class Cross(Generic[Spec]):
    """Something in both codebooks, or None where one has none such."""

    before: Spec | None
    after: Spec | None
    changes: tuple[Change, ...] = ()

    @property
    def spec(self) -> Spec:
        found = self.after or self.before
        assert found is not None  # noqa: S101
        return found

    @property
    def statuses(self) -> tuple[Status, ...]:
        """How it differs, each way once."""
        if self.before is None:
            return (Status.NEW,)
        if self.after is None:
            return (Status.GONE,)
        return tuple(dict.fromkeys(change.status for change in self.changes))


@dataclass(frozen=True)
class CodeCross(Cross[CodeSpec]):
    """A code in both codebooks."""


@dataclass(frozen=True)
class DimensionCross(Cross[DimensionSpec]):
    """A dimension in both codebooks, with all of its codes."""

    codes: tuple[CodeCross, ...] = ()

    @property
    def touched(self) -> list[CodeCross]:
        """The codes that are not as they were."""
        return [code for code in self.codes if code.statuses]

    @property
    def untouched(self) -> int:
        """How many codes are as they were."""
        return len(self.codes) - len(self.touched)


@dataclass(frozen=True)
class Crosswalk:
    """Two codebooks beside each other: the second's dimensions in its order, then those gone."""

    before: Book
    after: Book
    dimensions: tuple[DimensionCross, ...]
    changes: tuple[Change, ...]

    @property
    def same(self) -> bool:
        """Whether both say the same."""
        return not self.changes and not self.touched

    @property
    def touched(self) -> list[DimensionCross]:
        """The dimensions that are not as they were, or of which a code is not."""
        return [one for one in self.dimensions if one.statuses or one.touched]

    def counts(self) -> tuple[Counter[Status], Counter[Status]]:
        """Return how many dimensions and how many codes are new, gone, renamed and so on."""
        codes = (code for dimension in self.dimensions for code in dimension.codes)
        return (
            Counter(status for dimension in self.dimensions for status in dimension.statuses),
            Counter(status for code in codes for status in code.statuses),
        )

    def mapping(self) -> list[str]:
        """Return old=new for each code whose key, or whose dimension's key, is another.

        What compares codings under both takes it as it is.
        """
        found = []
        for dimension in self.dimensions:
            if dimension.before is None or dimension.after is None:
                continue
            pairs = [(code.before, code.after) for code in dimension.codes]
            if dimension.before.kind == dimension.after.kind == "scale":
                one, other = dimension.before, dimension.after
                pairs = [(CodeSpec(one.key, one.label), CodeSpec(other.key, other.label))]
            for before, after in pairs:
                if before and after:
                    old = f"{dimension.before.key}/{before.key}"
                    new = f"{dimension.after.key}/{after.key}"
                    if old != new:
                        found.append(f"{old}={new}")
        return found


def crosswalk(before: Book, after: Book) -> Crosswalk:
    """Return what `after` says otherwise than `before`."""
    dimensions = tuple(
        dimension_cross(one, other) for one, other in paired(before.dimensions, after.dimensions)
    )
    changes = [*change(Status.CHANGED, "language", before.language, after.language)]
    changes += order_of(dimensions, before.dimensions, after.dimensions)
    return Crosswalk(before, after, dimensions, tuple(changes))


def dimension_cross(before: DimensionSpec | None, after: DimensionSpec | None) -> DimensionCross:
    """Return a dimension of both, with its codes."""
    pairs = list(paired(before.codes if before else (), after.codes if after else ()))
    if before is None or after is None:
        return DimensionCross(before, after, codes=tuple(CodeCross(*pair) for pair in pairs))
    keys = {one.key: other.key for one, other in pairs if one and other}
    labels = [{code.key: code.label for code in spec.codes} for spec in (before, after)]
    codes = tuple(
        CodeCross(
            one, other, tuple(code_changes(one, other, keys, labels)) if one and other else ()
        )
        for one, other in pairs
    )
    changes = [
        *change(Status.RENAMED, "label", before.label, after.label),
        *change(Status.RENAMED, "key", before.key, after.key),
        *change(Status.CHANGED, "kind", before.written, after.written),
        *texts(before, after, DIMENSION_TEXTS),
        *change(Status.CHANGED, "minimum", cell_text(before.minimum), cell_text(after.minimum)),
        *change(Status.CHANGED, "maximum", cell_text(before.maximum), cell_text(after.maximum)),
        *order_of(codes, before.codes, after.codes),
    ]
    return DimensionCross(before, after, tuple(changes), codes)


def code_changes(
    before: CodeSpec, after: CodeSpec, keys: dict[str, str], labels: Sequence[dict[str, str]]
) -> Iterator[Change]:
    """Yield what a code says otherwise; `keys` are the later keys by the earlier ones."""
    yield from change(Status.RENAMED, "label", before.label, after.label)
    yield from change(Status.RENAMED, "key", before.key, after.key)
    yield from texts(before, after, CODE_TEXTS)
    if keys.get(before.parent, before.parent) != after.parent:
        above, below = labels[0].get(before.parent, ""), labels[1].get(after.parent, "")
        yield Change(Status.CHANGED, "parent", above, below)
    yield from change(Status.CHANGED, "color", before.color.lower(), after.color.lower())
    had = Counter((one.language, one.text) for one in before.examples)
    has = Counter((one.language, one.text) for one in after.examples)
    for language, text in had - has:
        yield Change(Status.REWORDED, "example", text, "", language)
    for language, text in has - had:
        yield Change(Status.REWORDED, "example", "", text, language)
    if had == has and before.examples != after.examples:
        yield Change(Status.CHANGED, "example_order", "", "")


def texts(
    before: DimensionSpec | CodeSpec, after: DimensionSpec | CodeSpec, names: Sequence[str]
) -> Iterator[Change]:
    """Yield which texts say something else, in the codebook's language and in others."""
    for name in names:
        if name != "label":
            yield from change(Status.REWORDED, name, getattr(before, name), getattr(after, name))
    one, other = by_language(before.wordings), by_language(after.wordings)
    for language in sorted({*one, *other}):
        for name in names:
            was = one.get(language, {}).get(name, "")
            yield from change(
                Status.REWORDED, name, was, other.get(language, {}).get(name, ""), language
            )


def by_language(wordings: Iterable[WordingSpec]) -> dict[str, dict[str, str]]:
    """Return the texts of wordings by language and field."""
    return {one.language: dict(one.texts) for one in wordings}


def change(
    status: Status, field: str, before: str, after: str, language: str = ""
) -> Iterator[Change]:
    """Yield the change of a field, if it is one."""
    if before != after:
        yield Change(status, field, before, after, language)


def paired(
    before: Sequence[Spec], after: Sequence[Spec]
) -> Iterator[tuple[Spec | None, Spec | None]]:
    """Yield what belongs together, in the order of `after`; then what is gone."""
    partner: dict[str, Spec] = {}  # of the later, by its key
    left = {one.key: one for one in before}
    for one in after:
        if one.key in left:
            partner[one.key] = left.pop(one.key)
    for named in (guid_of, label_of):
        mine = Counter(named(one) for one in left.values())
        others = [one for one in after if one.key not in partner]
        theirs = Counter(named(one) for one in others)
        where = {named(one): key for key, one in left.items()}
        for one in others:
            name = named(one)
            if name and mine[name] == theirs[name] == 1:
                partner[one.key] = left.pop(where[name])
    for one in after:
        yield partner.get(one.key), one
    for one in left.values():
        yield one, None


def guid_of(one: CodeSpec | DimensionSpec) -> str:
    return one.guid.lower()


def label_of(one: CodeSpec | DimensionSpec) -> str:
    return one.label.casefold()


def order_of(
    pairs: Sequence[CodeCross] | Sequence[DimensionCross],
    before: Sequence[CodeSpec] | Sequence[DimensionSpec],
    after: Sequence[CodeSpec] | Sequence[DimensionSpec],
) -> Iterator[Change]:
    """Yield that what is in both stands in another order."""
    both = {pair.before.key: pair.after.key for pair in pairs if pair.before and pair.after}
    kept = set(both.values())
    was = [both[one.key] for one in before if one.key in both]
    if was != [one.key for one in after if one.key in kept]:
        named = max(len(before), len(after)) <= MOST_NAMED
        lists = [" · ".join(one.label for one in side) if named else "" for side in (before, after)]
        yield Change(Status.CHANGED, "order", *lists)


def pieces(before: str, after: str) -> list[tuple[str, str]]:
    """Return both texts as one, in parts that are "same", "gone" or "new".

    What white space parts stays whole: no script is torn apart.

    >>> pieces("Answers are wrong.", "Answers may be wrong.")
    [('same', 'Answers '), ('gone', 'are'), ('new', 'may be'), ('same', ' wrong.')]
    """
    one, other = (re.findall(r"\s+|\S+", text) for text in (before, after))
    if max(len(one), len(other)) > MOST_WORDS:
        one, other = [before], [after]
    found: list[tuple[str, str]] = []
    gone, new = "", ""
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    for name, start, end, first, last in [*blocks, ("equal", 0, 0, 0, 0)]:
        was, now = "".join(one[start:end]), "".join(other[first:last])
        # A space between two changed words is no reason to part them.
        if name == "equal" and (was.strip() or not was or not (gone or new)):
            found += [(piece, text) for piece, text in (("gone", gone), ("new", new)) if text]
            gone, new = "", ""
            found += [("same", was)] if was else []
        else:
            gone, new = gone + was, new + now
    return found
