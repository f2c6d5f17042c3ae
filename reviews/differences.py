"""Differences between groups: how much more often one voices a code than another, and how sure.

From rows of prevalence by one attribute: groups are drawn from apart, so that MOVER (Zou and Donner
2008) makes the interval of a difference from those of both shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from reviews.prevalence import Domain, PrevalenceRow
from reviews.stats.intervals import critical, difference, sidak
from reviews.stats.prevalence import LEAST_REVIEWED

MOST_COMPARED = 6
"""Groups up to which every two are compared; with more, each with the largest."""

DESIGN_BASED = ("cells", "hajek")


@dataclass(frozen=True)
class DifferenceRow:
    """The share (mean) in `first` less that in `second`, of one code.

    `low_all` and `high_all` hold for all differences of the attribute together (Sidak), scaled from
    the pointwise limits. `machine` is the difference that the machine alone would tell.
    """

    dimension: str
    code: str | None
    quantity: str
    by: str
    first: Domain
    second: Domain
    difference: float
    low: float
    high: float
    low_all: float
    high_all: float
    machine: float


def difference_rows(rows: Sequence[PrevalenceRow], by: str) -> list[DifferenceRow]:
    """Return differences between the groups of the attribute `by`.

    Only groups whose own share rests on enough of people's answers (status `ok`, design-based).
    """
    names = tuple(by.split("*"))
    codes: dict[tuple[str, str | None, str], list[PrevalenceRow]] = {}
    for row in rows:
        key = tuple(name for name, _value in row.domain)
        if row.domain and (key == names or key == (by,)) and comparable(row):
            codes.setdefault((row.dimension, row.code, row.quantity), []).append(row)
    pairs = [pair for groups in codes.values() for pair in _pairs(groups)]
    widened = critical(sidak(0.95, len(pairs))) / critical() if pairs else 1.0
    return [_difference(first, second, by, widened) for first, second in pairs]


def comparable(row: PrevalenceRow) -> bool:
    """Return whether a group's figure may be set beside another's: ten answers, design-based."""
    enough = row.reviewed >= LEAST_REVIEWED
    return enough and row.status == "ok" and row.method in DESIGN_BASED


def _pairs(groups: list[PrevalenceRow]) -> list[tuple[PrevalenceRow, PrevalenceRow]]:
    if len(groups) <= MOST_COMPARED:
        return list(combinations(groups, 2))
    largest = max(groups, key=lambda row: row.population)
    return [(group, largest) for group in groups if group is not largest]


def _difference(
    first: PrevalenceRow, second: PrevalenceRow, by: str, widened: float
) -> DifferenceRow:
    one, other = ((row.corrected, row.low, row.high) for row in (first, second))
    d, low, high = difference(one, other)
    _, low_all, high_all = difference(one, other, widened)
    ends = [low, high, low_all, high_all]
    if first.quantity == "share":
        ends = [min(max(end, -1.0), 1.0) for end in ends]
    low, high, low_all, high_all = ends
    return DifferenceRow(
        first.dimension,
        first.code,
        first.quantity,
        by,
        first.domain,
        second.domain,
        d,
        low,
        high,
        low_all,
        high_all,
        first.machine - second.machine,
    )
