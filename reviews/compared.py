"""Who is compared with whom, and on which units: people with each other, and the machine with them.

Between people a row of ratings is a unit. Machine to people it is one coding by a person, beside
what the machine said of the same unit; a unit coded by two people then has two rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codebooks.models import Kind
from reviews.tables import NOT_KNOWN, Bools, Decisions, Floats, Guide, Ints, Labels, People, Table

HUMANS, MACHINE = "humans", "machine-human"


@dataclass(frozen=True)
class Compared:
    """Who is compared on which units: coders × rows × columns, a row one unit or one coding.

    `labels` are -1 where a coder did not say. `said` and `unsure` count, rows × columns, the people
    who said that a code applies and who were unsure. `person` is whose coding a row is, where the
    machine is compared.
    """

    between: str
    unit: Ints
    person: Ints | None
    labels: Labels
    categories: dict[str, Floats]
    values: Floats
    said: Ints
    unsure: Ints
    counts_unsure: bool = True

    def rows(self, chosen: Bools) -> "Compared":
        """Return the rows that `chosen` points out."""
        return Compared(
            self.between,
            self.unit[chosen],
            None if self.person is None else self.person[chosen],
            self.labels[:, chosen],
            {key: ratings[:, chosen] for key, ratings in self.categories.items()},
            self.values[:, chosen],
            self.said[chosen],
            self.unsure[chosen],
            self.counts_unsure,
        )

    def coders(self, chosen: list[int]) -> "Compared | None":
        """Return what these coders said of the units that each of them coded, None without any.

        Who was unsure can't be told any more.
        """
        both = self.seen[chosen].all(axis=0)
        if not both.any():
            return None
        labels = self.labels[chosen][:, both]
        return Compared(
            self.between,
            self.unit[both],
            None,
            labels,
            {key: ratings[chosen][:, both] for key, ratings in self.categories.items()},
            self.values[chosen][:, both],
            (labels == 1).sum(axis=0),
            np.zeros(labels.shape[1:], np.int64),
            False,
        )

    def pairable(self) -> int:
        """Return how many units two or more coders looked at."""
        if not len(self.unit):
            return 0
        return len(np.unique(self.unit[self.seen.sum(axis=0) >= 2]))

    @property
    def seen(self) -> Bools:
        """Who said anything of which row."""
        said = (self.labels != NOT_KNOWN).any(axis=2)
        return np.asarray(said | ~np.isnan(self.values).all(axis=2))


def categories_of(guide: Guide, sides: Sequence[Decisions]) -> dict[str, Floats]:
    """Return what each side chose in the `one` dimensions, by their keys: sides × rows."""
    return {
        question.key: np.stack([side.categories(question) for side in sides])
        for question in guide.labelled
        if question.kind == Kind.ONE
    }


def scope(table: Table, people: People | None = None) -> tuple[People, str]:
    """Return the codings that agreement is about: the sample's where there are any, else all."""
    people = table.people if people is None else people
    if table.drawn is not None:
        inside = np.isin(people.unit, table.drawn.unit)
        if inside.any():
            return people.rows(inside), "sample"
    return people, "study"


def between_people(table: Table, people: People) -> Compared:
    """Set people's codings of the same units beside each other."""
    at = np.searchsorted(people.units, people.unit)
    shape = (len(people.coders), len(people.units))
    labels = np.full((*shape, table.guide.width), NOT_KNOWN, np.int8)
    labels[people.coder, at] = people.decisions.labels
    values = np.full((*shape, table.guide.depth), np.nan)
    values[people.coder, at] = people.decisions.values
    categories = {
        question.key: people.ratings(people.decisions.categories(question))
        for question in table.guide.labelled
        if question.kind == Kind.ONE
    }
    said = (labels == 1).sum(axis=0)
    unsure = np.zeros(said.shape, np.int64)
    for coder in np.unique(people.coder):
        own = people.coder == coder
        unsure[at[own]] += people.unsure[own]
    return Compared(HUMANS, people.units, None, labels, categories, values, said, unsure)


def machine_to_people(table: Table, people: People) -> Compared:
    """Set what the machine said beside each coding by a person."""
    machine = table.machine.at(people.unit)
    return Compared(
        MACHINE,
        people.unit,
        people.coder,
        np.stack([machine.labels, people.decisions.labels]),
        categories_of(table.guide, [machine, people.decisions]),
        np.stack([machine.values, people.decisions.values]),
        (people.decisions.labels == 1).astype(np.int64),
        people.unsure.astype(np.int64),
    )


def design_weights(table: Table) -> Floats | None:
    """Return one over the inclusion of each unit, or None where all were as likely to be drawn."""
    if table.drawn is None or np.ptp(table.drawn.inclusion) < 1e-12:
        return None
    weights = np.ones(len(table.units))
    weights[table.drawn.unit] = 1 / table.drawn.inclusion
    return weights


def known(labels: Labels) -> Floats:
    """Return `labels` as numbers, NaN where it was not said."""
    return np.where(labels == NOT_KNOWN, np.nan, labels)
