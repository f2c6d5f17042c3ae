"""Where segments stand in an ordered dimension: by group, and by topic, from the first code up.

An order has no distances, so no mean of numbers is told but a ridit (Bross 1958): the chance that a
segment stands further towards the last code than one drawn from all, ties counted half. All
segments together stand at .5. "None applies" has no place in the order and is left out.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codebooks.models import Kind
from reviews.prevalence import Areas, Domain, PrevalenceRow, Strata
from reviews.stats.arrays import Floats
from reviews.stats.intervals import Grade, grade
from reviews.stats.prevalence import LEAST_REVIEWED
from reviews.stats.scales import ScaleReview, scale_prevalence
from reviews.stats.together import mean_among
from reviews.tables import Question, Table

TARGET = 0.05
"""Half-width of a position of grade A."""


@dataclass(frozen=True)
class PositionRow:
    """Where segments of a group (`domain`), or those with a `topic`, stand in `dimension`.

    `topic` is a dimension and a code. `position` is corrected by people's answers, NaN where fewer
    than ten can tell; `machine` is what its labels alone say, of `coded` segments. Positions of
    topics are of those that people gave the topic and a place in the order.
    """

    dimension: str
    domain: Domain
    topic: tuple[str, str] | None
    reviewed: int
    coded: int
    position: float
    low: float
    high: float
    machine: float
    status: str
    grade: Grade


def position_rows(
    table: Table,
    strata: Strata,
    areas: Sequence[Areas],
    prevalence: Sequence[PrevalenceRow],
    seed: int,
    replicates: int,
) -> list[PositionRow]:
    """Return the positions of every topic, lowest first, and of every group of `areas`.

    `prevalence` has the corrected shares, overall and by `areas`.
    """
    rows: list[PositionRow] = []
    for question in table.guide.labelled:
        if not question.ordered:
            continue
        shares = _shares(question, prevalence)
        score = ridits(shares.get((), np.full(len(question.codes), np.nan)))
        if np.isnan(score).any():
            continue
        rows += _topics(table, question, score)
        for area in areas:
            rows += _groups(table, strata, question, score, area, shares, seed, replicates)
    return rows


def ridits(shares: Floats) -> Floats:
    """Return the ridit of each code from the shares of all, in order; NaN if there are none.

    >>> ridits(np.array([0.2, 0.2, 0.4])).round(3)
    array([0.125, 0.375, 0.75 ])
    """
    total = shares.sum()
    if not total > 0:
        return np.full(shares.shape, np.nan)
    part = shares / total
    return np.asarray(np.cumsum(part) - part / 2)


def _shares(question: Question, prevalence: Sequence[PrevalenceRow]) -> dict[Domain, Floats]:
    """Return the share of each code in each domain: corrected, else the machine's."""
    found: dict[Domain, Floats] = {}
    place = {code.key: at for at, code in enumerate(question.codes)}
    for row in prevalence:
        if row.dimension == question.key and row.code is not None:
            value = row.machine if np.isnan(row.corrected) else row.corrected
            found.setdefault(row.domain, np.zeros(len(place)))[place[row.code]] = value
    return {domain: np.nan_to_num(shares) for domain, shares in found.items()}


def _machine(table: Table, question: Question) -> tuple[Floats, Floats]:
    """Return the machine's categories as shares, units × codes, and who has a place.

    NaN where its category is not known.
    """
    said = table.machine.categories(question)
    codes = np.arange(len(question.codes))
    shares = np.where(np.isnan(said)[:, None], np.nan, said[:, None] == codes)
    return shares, shares.sum(axis=1)


def _topics(table: Table, question: Question, score: Floats) -> list[PositionRow]:
    said, placed = _machine(table, question)
    machine = said @ score
    people = weights = pi = np.zeros(0)
    if table.drawn is not None and table.reference is not None:
        shares = table.reference.categories[question.key][:, :-1]
        held = shares.sum(axis=1)
        people = np.where(held > 0, shares @ score / np.where(held > 0, held, 1), np.nan)
        pi = table.drawn.inclusion
        weights = held / pi
    rows = []
    for other in table.guide.labelled:
        if other.kind != Kind.MANY:
            continue
        for column, code in enumerate(other.codes, other.first):
            chosen = (table.machine.labels[:, column] == 1) & (placed == 1)
            n, mean, low, high = 0, np.nan, np.nan, np.nan
            if people.size and table.reference is not None:
                member = table.reference.labels[:, column]
                found = mean_among(people, member, np.nan_to_num(weights), pi, table.interviews)
                n = found.n
                if n >= LEAST_REVIEWED:
                    mean, low, high = found.mean, max(found.low, 0.0), min(found.high, 1.0)
            if not n and not chosen.any():
                continue
            enough = n >= LEAST_REVIEWED
            rows.append(
                PositionRow(
                    question.key,
                    (),
                    (other.key, code.key),
                    n,
                    int(chosen.sum()),
                    mean,
                    low,
                    high,
                    float(machine[chosen].mean()) if chosen.any() else np.nan,
                    "ok" if enough else "insufficient" if n else "machine_only",
                    grade("cells" if n else "none", n, low, high, TARGET, enough=enough),
                )
            )
    return sorted(
        rows, key=lambda row: (row.machine if np.isnan(row.position) else row.position, row.topic)
    )


def _groups(
    table: Table,
    strata: Strata,
    question: Question,
    score: Floats,
    area: Areas,
    shares: dict[Domain, Floats],
    seed: int,
    replicates: int,
) -> list[PositionRow]:
    """Return the position of each group: that of its corrected shares, moved by what is left.

    A ratio, so linearised about it: the mean of (ridit − position) among all segments, where one
    without a place counts 0, divided by the share of those with a place.
    """
    parts = [
        shares.get(area.domain(number), np.zeros(score.size)) for number in range(len(area.names))
    ]
    held = np.array([one.sum() for one in parts])
    first = np.array([one @ score for one in parts]) / np.where(held > 0, held, np.nan)
    about = np.nan_to_num(first, nan=0.5)
    said, placed = _machine(table, question)
    raw = said @ score
    people = pi = np.zeros(0)
    drawn = np.zeros(0, np.int64)
    if table.drawn is not None and table.reference is not None:
        drawn, pi = table.drawn.unit, table.drawn.inclusion
        given = table.reference.categories[question.key][:, :-1]
        people = given @ score - about[area.of_unit[drawn]] * given.sum(axis=1)
    review = ScaleReview(
        raw - about[area.of_unit] * placed,
        strata.of_unit,
        drawn,
        pi,
        people,
        -1.0,
        1.0,
        table.interviews,
    )
    name = f"{question.key}/{area.by}/positions"
    found = scale_prevalence(
        review,
        np.random.default_rng([seed, zlib.crc32(name.encode())]),
        domain=area.of_unit,
        domains=len(area.names),
        replicates=replicates,
        target=TARGET,
    )
    rows = []
    for number, row in enumerate(found):
        inside = (area.of_unit == number) & (placed == 1)
        told = held[number] > 0 and row.status != "insufficient"
        some = held[number] if told else np.nan
        position, low, high = (
            float(np.clip(about[number] + value / some, 0.0, 1.0))
            for value in (row.corrected, row.low, row.high)
        )
        rows.append(
            PositionRow(
                question.key,
                area.domain(number),
                None,
                row.reviewed,
                int(inside.sum()),
                position,
                low,
                high,
                float(raw[inside].mean()) if inside.any() else np.nan,
                row.status,
                row.grade,
            )
        )
    return rows
