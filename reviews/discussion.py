"""What rulings settled of what coders disagreed about: agreement after discussion.

It is told apart from agreement, since a ruling is no independent judgement.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from codebooks.models import Kind
from reviews.compared import between_people, known
from reviews.stats.alpha import alpha_nominal, alpha_ordinal
from reviews.tables import Floats, People, Table


@dataclass(frozen=True)
class DiscussionRow:
    """What rulings settled of one code, or of the category of a `one` dimension (`code` None).

    Of `coded_twice` segments people `disagreed` about some; `ruled` of all segments have a ruling.
    `before` is alpha of the blind codings and `after` that of the same codings once everyone who
    coded a ruled segment says what was ruled: agreement after discussion, which is no reliability.
    `for_machine` and `for_a_coder` count ruled segments in which the machine, and the first coder
    by name, had said what was ruled; `machine_compared` are those that the machine coded.
    """

    dimension: str
    code: str | None
    coded_twice: int
    disagreed: int
    ruled: int
    ruled_to_apply: int | None
    for_a_coder: int
    for_machine: int
    machine_compared: int
    before: float
    after: float
    status: str


def discussion_rows(table: Table, people: People) -> list[DiscussionRow]:
    """Return what rulings settled, for codes and categories that some ruling is about."""
    drawn = table.drawn
    if drawn is None or table.rulings is None:
        return []
    compared = between_people(table, people)
    place = np.searchsorted(drawn.unit, compared.unit)
    rows = []
    for question in table.guide.labelled:
        if question.kind == Kind.ONE:
            ruled = table.rulings.categories[question.key][place]
            said = compared.categories[question.key]
            machine = table.machine.categories(question)[compared.unit]
            if question.ordered:
                none = float(len(question.codes))
                said, ruled = (np.where(one == none, np.nan, one) for one in (said, ruled))
            level = alpha_ordinal if question.ordered else alpha_nominal
            rows.append(_discussed(question.key, None, said, ruled, machine, level))
            continue
        for column, code in enumerate(question.codes, question.first):
            said = known(compared.labels[..., column])
            machine = known(table.machine.labels[compared.unit, column])
            ruled = table.rulings.labels[place, column]
            rows.append(_discussed(question.key, code.key, said, ruled, machine))
    return [row for row in rows if row.ruled]


def _discussed(
    dimension: str,
    code: str | None,
    said: Floats,
    ruled: Floats,
    machine: Floats,
    level: Callable[[Floats], float] = alpha_nominal,
) -> DiscussionRow:
    """Return a row from what coders said, coders × units, and what was ruled, NaN if nothing."""
    looked = ~np.isnan(said)
    twice = looked.sum(axis=0) >= 2
    high = np.where(looked, said, -np.inf).max(axis=0)
    low = np.where(looked, said, np.inf).min(axis=0)
    settled = ~np.isnan(ruled)
    after = np.where(looked & settled, ruled, said)
    first = np.full(ruled.shape, np.nan)
    for row in said[::-1]:
        first = np.where(np.isnan(row), first, row)
    before = level(said)
    return DiscussionRow(
        dimension=dimension,
        code=code,
        coded_twice=int(twice.sum()),
        disagreed=int((twice & (high > low)).sum()),
        ruled=int(settled.sum()),
        ruled_to_apply=None if code is None else int((ruled == 1).sum()),
        for_a_coder=int((settled & (first == ruled)).sum()),
        for_machine=int((settled & (machine == ruled)).sum()),
        machine_compared=int((settled & ~np.isnan(machine)).sum()),
        before=before,
        after=level(after),
        status="no_variation" if np.isnan(before) else "ok",
    )
