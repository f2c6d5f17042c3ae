"""What the rows of one coding say: which dimensions are decided, and a verdict on each code.

Rows come as written; what can't be meant is a Mistake with its row. Nothing is stored here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from codebooks.models import Code, Dimension, Kind, Revision
from coding.evidence import Text
from coding.models import Answer, Found
from reviews.rows import Group, Row
from studies.problems import Problem, _

Named = TypeVar("Named", Dimension, Code)
Passage = tuple[int | None, int | None, str, str]
"""start, end, found, quote"""


@dataclass
class Verdict:
    """What is said of one code, and the passages that support it."""

    code: Code
    answer: str
    value: float | None
    passages: set[Passage] = field(default_factory=set)

    def same(self) -> tuple[Any, ...]:
        """Return what makes two verdicts the same."""
        return self.code.pk, self.answer, self.value, frozenset(self.passages)


@dataclass
class Judged:
    """A coding as its rows say it: which dimensions are decided, and a verdict per code."""

    group: Group
    segment: int
    decided: set[str] = field(default_factory=set)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    none: dict[str, Row] = field(default_factory=dict)
    """The dimensions of which a row says that none applies, and that row."""


WEAKER = (Found.FOLDED, Found.FUZZY)
NO_VALUE = _("“%(dimension)s” is a scale and the row has no value.")
NOT_A_SCALE = _("“%(dimension)s” is no scale and takes a code, not a value.")


class Mistake(Exception):
    """A row that can't be taken, and why."""

    def __init__(self, row: Row, text: str, **values: object) -> None:
        self.row = row
        self.problem = Problem(text, **values)
        super().__init__(row.line, self.problem)


class Book:
    """The codes of a revision, found by what a file calls them: the key, else the label."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        dimensions = list(revision.dimensions.order_by("position").prefetch_related("codes"))
        self.order = [dimension.key for dimension in dimensions]
        self.dimensions = _by_name(dimensions)
        self.codes = {
            dimension.key: _by_name(list(dimension.codes.all())) for dimension in dimensions
        }
        self.dimension_of = {
            code.pk: dimension.key for dimension in dimensions for code in dimension.codes.all()
        }
        self.every = {
            dimension.key: {code.pk for code in dimension.codes.all()} for dimension in dimensions
        }

    def dimension(self, row: Row) -> Dimension:
        if row.code and not row.dimension:
            raise Mistake(
                row,
                _(
                    "The codebook has no code “%(code)s”: import the one that was coded with, "
                    "or say which dimension the code is of."
                ),
                code=row.code,
            )
        found = _named(self.dimensions, row.dimension)
        if found is None:
            raise Mistake(
                row,
                _("The codebook has no dimension “%(dimension)s”; it has: %(known)s."),
                dimension=row.dimension,
                known=", ".join(self.order),
            )
        return found

    def code(self, row: Row, dimension: Dimension) -> Code:
        codes: dict[str, Code] = self.codes[dimension.key]
        if dimension.kind == Kind.SCALE and not row.code:
            return next(iter(codes.values()))
        found = _named(codes, row.code)
        if found is None:
            raise Mistake(
                row,
                _("“%(dimension)s” has no code “%(code)s” in the codebook."),
                dimension=dimension.key,
                code=row.code,
            )
        return found


def _named(things: Mapping[str, Named], name: str) -> Named | None:
    return things.get(name) or things.get(name.casefold())


def _by_name(things: Sequence[Named]) -> dict[str, Named]:
    return {thing.label.casefold(): thing for thing in things} | {
        thing.key: thing for thing in things
    }


def read_row(
    judged: Judged, row: Row, book: Book, text: Text | None, segment: tuple[int, int]
) -> None:
    """Add what `row` says to `judged`."""
    if row.applies is not None and not (row.applies or row.value):
        return  # a row of a tidy export that says: not looked at
    if not row.dimension and not row.code and not row.value:
        judged.decided.update(book.order)
        judged.none.update(dict.fromkeys(book.order, row))
        return
    dimension = book.dimension(row)
    if row.applies is None:
        judged.decided.add(dimension.key)
    if dimension.kind == Kind.SCALE and not row.value:
        if row.code and row.applies is None:
            raise Mistake(row, NO_VALUE, dimension=dimension.key)
        judged.decided.add(dimension.key)
        judged.none[dimension.key] = row
        return
    if not row.code and dimension.kind != Kind.SCALE:
        if row.value:
            raise Mistake(row, NOT_A_SCALE, dimension=dimension.key)
        judged.none[dimension.key] = row
        return
    code = book.code(row, dimension)
    verdict = Verdict(code, _answer(row), _value(row, dimension))
    before = judged.verdicts.setdefault(code.pk, verdict)
    if (before.answer, before.value) != (verdict.answer, verdict.value):
        raise Mistake(
            row,
            _("“%(coder)s” coded “%(code)s” twice here, and differently."),
            coder=judged.group.coder,
            code=code.key,
        )
    if dimension.kind == Kind.ONE and verdict.answer == Answer.YES:
        others = [
            other.code.key
            for other in judged.verdicts.values()
            if other.answer == Answer.YES
            and other.code.pk != code.pk
            and book.dimension_of[other.code.pk] == dimension.key
        ]
        if others:
            raise Mistake(
                row,
                _("“%(dimension)s” takes one code, and here are “%(first)s” and “%(second)s”."),
                dimension=dimension.key,
                first=others[0],
                second=code.key,
            )
    if row.found == Found.MISSING:
        before.passages.add((None, None, Found.MISSING, row.given))
    elif row.quote or row.start or row.end:
        assert text is not None  # noqa: S101  every interview with quotations was read
        for place in _passages(row, text, segment):
            # Whoever gave the quotation knows if it is less than word for word.
            said = row.found in WEAKER and place[2] == Found.EXACT
            before.passages.add((*place[:2], row.found, row.given) if said else place)


def _answer(row: Row) -> str:
    if row.applies in (None, "1", ""):
        return Answer.YES
    if row.applies == "0":
        return Answer.NO
    raise Mistake(row, _("“applies” is 1, 0 or empty, not “%(given)s”."), given=row.applies)


def _value(row: Row, dimension: Dimension) -> float | None:
    if dimension.kind != Kind.SCALE:
        if row.value:
            raise Mistake(row, NOT_A_SCALE, dimension=dimension.key)
        return None
    try:
        value = float(row.value)
    except ValueError as error:
        raise Mistake(
            row,
            _("“%(given)s” is no number, as “%(dimension)s” needs one."),
            given=row.value,
            dimension=dimension.key,
        ) from error
    low, high = dimension.minimum or 0.0, dimension.maximum or 0.0
    if not (math.isfinite(value) and low <= value <= high):
        raise Mistake(
            row,
            _("%(given)s is not on “%(dimension)s”, which goes from %(low)g to %(high)g."),
            given=row.value,
            dimension=dimension.key,
            low=low,
            high=high,
        )
    return value


def none_and_some(dimension: str) -> Problem:
    return Problem(
        _("One row says that nothing of “%(dimension)s” applies, and another that something does."),
        dimension=dimension,
    )


def _passages(row: Row, text: Text, segment: tuple[int, int]) -> Iterator[Passage]:
    """Yield where the evidence of `row` stands, and how it was found."""
    if not (row.start or row.end):
        for place in text.locate(row.quote, within=segment):
            yield (
                place.start,
                place.end,
                place.found,
                "" if place.found == "exact" else row.quote,
            )
        return
    start, end = _offsets(row, text, segment)
    there = text.text[start:end]
    if row.quote and row.quote != there.strip():
        # The quotation is what the coder saw; offsets may count in other units than code points.
        places = text.occurrences(row.quote, within=segment)
        if not places:
            raise Mistake(
                row,
                _(
                    "From %(start)d to %(end)d the text reads “%(there)s”, and the quotation "
                    "of the row stands nowhere else."
                ),
                start=start,
                end=end,
                there=there[:80],
            )
        nearest = min(places, key=lambda place: abs((place.start or 0) - start))
        quote = "" if nearest.found == "exact" else row.quote
        yield nearest.start, nearest.end, nearest.found, quote
    elif text.interviewer_speaks(start, end):
        yield start, end, Found.INTERVIEWER, there
    else:
        yield start, end, Found.EXACT, ""


def _offsets(row: Row, text: Text, segment: tuple[int, int]) -> tuple[int, int]:
    try:
        start, end = int(row.start), int(row.end)
    except ValueError as error:
        raise Mistake(
            row,
            _("Start and end are whole numbers of characters, not “%(start)s” and “%(end)s”."),
            start=row.start,
            end=row.end,
        ) from error
    if not segment[0] <= start < end <= segment[1]:
        raise Mistake(
            row,
            _("%(start)d to %(end)d lies outside the text, which goes from %(first)d to %(last)d."),
            start=start,
            end=end,
            first=segment[0],
            last=segment[1],
        )
    return start, end


def settle(judged: Judged, book: Book) -> None:
    """Decide the dimensions of which a tidy export names every code, or the one that applies.

    What does not apply in a decided dimension needs no mark.
    """
    for key, codes in book.every.items():
        said = {pk for pk in codes if pk in judged.verdicts}
        applied = any(judged.verdicts[pk].answer == Answer.YES for pk in said)
        one = book.dimensions[key].kind != Kind.MANY
        if said and (said == codes or (one and applied)):
            judged.decided.add(key)
    for pk, verdict in list(judged.verdicts.items()):
        if verdict.answer == Answer.NO and book.dimension_of[pk] in judged.decided:
            del judged.verdicts[pk]
