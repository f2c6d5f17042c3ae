"""Rows of agreement on passages: do coders point to the same words?

Between people and machine to people, per code and per `many` or `one` dimension. A unit counts for
a coder who denies the code, or who applies it and marks where: who applies it and marks nothing is
left out there. u-alpha is of the labelled passages, with an interval from texts drawn again.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from reviews.compared import HUMANS, MACHINE, scope
from reviews.evidence_tables import Passages
from reviews.stats.agreement import LEAST_UNITS
from reviews.stats.alpha import alpha
from reviews.stats.arrays import Ints
from reviews.stats.bootstrap import bootstrap_alpha, percentile_interval
from reviews.stats.spans import Continuum, Span, shared_length, span_sums
from reviews.tables import NOT_KNOWN, Labels, Question, Table

LEAST_MARKED = 10
"""Texts in which someone marked the code below which u-alpha is not told."""


@dataclass(frozen=True)
class PassageRow:
    """Agreement on the passages of one code, or of a dimension's codes together (`code` None).

    `texts` were read by two coders or more, `marked` of them hold a passage. `overlap` is the
    share of the characters that either of two coders marked which both did, over all pairs.
    `without` counts codings that apply the code and mark no passage. Of a dimension whose codes
    share words, u-alpha is not defined: status `overlapping`.
    """

    dimension: str
    code: str | None
    between: str
    language: str | None
    texts: int
    marked: int
    coders: int
    passages: int
    without: int
    measure: str
    estimate: float
    low: float
    high: float
    overlap: float
    status: str


def passage_rows(table: Table, passages: Passages, seed: int, replicates: int) -> list[PassageRow]:
    """Return the rows of both sides, overall and by language; none if people marked nothing."""
    if not (passages.coder >= 0).any():
        return []
    rows: list[PassageRow] = []
    for side in (_Side(table, passages, HUMANS), _Side(table, passages, MACHINE)):
        for question in table.guide.labelled:
            for columns, code in [
                *(([column], question.codes[column - question.first].key) for column in
                  range(question.first, question.first + len(question.codes))),
                (list(range(question.first, question.first + len(question.codes))), None),
            ]:  # fmt: skip
                if code is None and len(columns) == 1:
                    continue
                rows += side.rows(question, code, columns, seed, replicates)
    return rows


class _Side:
    """What is compared on one side: texts, and the passages of each who read one, by column."""

    def __init__(self, table: Table, passages: Passages, between: str) -> None:
        self.table, self.between = table, between
        people = table.people if between == HUMANS else table.compared
        self.people, _ = scope(table, people)
        self.bounds = dict(zip(table.people.units.tolist(), passages.bounds.tolist(), strict=True))
        self.marked: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for unit, coder, column, start, end in zip(
            passages.unit.tolist(),
            passages.coder.tolist(),
            passages.column.tolist(),
            passages.start.tolist(),
            passages.end.tolist(),
            strict=True,
        ):
            first, last = self.bounds.get(unit, [0, 0])
            if (start := max(start, first)) < (end := min(end, last)):
                self.marked.setdefault((unit, coder, column), []).append((start, end))

    def rows(
        self, question: Question, code: str | None, columns: list[int], seed: int, replicates: int
    ) -> list[PassageRow]:
        """Return the row over all languages and those of languages with ten texts or more."""
        texts, units, persons, without, count = self._texts(columns)
        if not texts:
            return []
        rows = []
        spoken = self.table.units.language[units]
        for language in [None, *np.unique(spoken).tolist()]:
            chosen = [at for at in range(len(texts)) if language is None or spoken[at] == language]
            own = [texts[at] for at in chosen]
            marked = [at for at in chosen if any(texts[at].coders)]
            if language is not None and (len(own) < LEAST_UNITS or not marked):
                continue
            name = None if language is None else self.table.units.languages[language]
            about = f"passages/{self.between}/{name}/{question.key}/{code}"
            chance = np.random.default_rng([seed, zlib.crc32(about.encode())])
            estimate, low, high, status = self._u_alpha(
                own, len(marked), units[chosen], chance, replicates
            )
            rows.append(
                PassageRow(
                    dimension=question.key,
                    code=code,
                    between=self.between,
                    language=name,
                    texts=len(np.unique(units[chosen])),
                    marked=len(np.unique(units[marked])),
                    coders=len(set().union(*(persons[at] for at in chosen))),
                    passages=sum(count[at] for at in chosen),
                    without=sum(
                        often
                        for unit, often in without.items()
                        if language is None or self.table.units.language[unit] == language
                    ),
                    measure="u_alpha",
                    estimate=estimate,
                    low=low,
                    high=high,
                    overlap=_overlap(own),
                    status=status,
                )
            )
        return rows

    def _texts(
        self, columns: list[int]
    ) -> tuple[list[Continuum], Ints, list[set[int]], dict[int, int], list[int]]:
        """Return texts that two or more can be compared on, their units and coders.

        Also how many codings of each unit point to nothing, and how many passages each text has.
        """
        people, machine = self.people, self.table.machine.labels
        readings: dict[int, list[tuple[int, list[Span]]]] = {}
        without: dict[int, int] = {}
        labels = people.decisions.labels[:, columns]
        for unit, coder, said in zip(
            people.unit.tolist(), people.coder.tolist(), labels, strict=True
        ):
            spans = self._spans(unit, coder, columns, said)
            if spans is None:
                without[unit] = without.get(unit, 0) + 1
            elif (said != NOT_KNOWN).all():
                readings.setdefault(unit, []).append((coder, spans))
        texts, units, persons, count = [], [], [], []
        for unit, read in readings.items():
            groups = [read] if len(read) >= 2 else []
            if self.between == MACHINE:
                said = machine[unit, columns]
                own = self._spans(unit, -1, columns, said)
                known = own is not None and bool((said != NOT_KNOWN).all())
                groups = [[(-1, own or []), one] for one in read] if known else []
            for group in groups:
                start, end = self.bounds[unit]
                texts.append(Continuum(start, end, [spans for _, spans in group]))
                units.append(unit)
                persons.append({coder for coder, _ in group})
                count.append(sum(len(spans) for _, spans in group))
        return texts, np.array(units, dtype=np.int64), persons, without, count

    def _spans(self, unit: int, coder: int, columns: list[int], said: Labels) -> list[Span] | None:
        """Return the passages of a coder's codes, None where one is applied and not pointed to."""
        found = []
        for column, label in zip(columns, said.tolist(), strict=True):
            if label != 1:
                continue
            marked = self.marked.get((unit, coder, column))
            if not marked:
                return None
            found += [Span(start, end, str(column)) for start, end in marked]
        return found

    def _u_alpha(
        self,
        texts: list[Continuum],
        marked: int,
        units: Ints,
        chance: np.random.Generator,
        replicates: int,
    ) -> tuple[float, float, float, str]:
        nan = float("nan")
        if marked < LEAST_MARKED:
            return nan, nan, nan, "too_few_passages"
        try:
            sums = span_sums(texts)
        except ValueError:
            return nan, nan, nan, "overlapping"
        estimate = float(alpha(sums)[0])
        if np.isnan(estimate):
            return nan, nan, nan, "no_variation"
        interviews = self.table.units.clusters
        repeated = len(np.unique(units)) < len(units)
        clusters = interviews[units] if interviews is not None else units if repeated else None
        found = percentile_interval(bootstrap_alpha(sums, chance, replicates, clusters))
        return estimate, float(found.low[0]), float(found.high[0]), "ok"


def _overlap(texts: list[Continuum]) -> float:
    """Return the characters that two coders both marked over those that either did, all pairs."""
    both = either = 0
    for text in texts:
        for at, one in enumerate(text.coders):
            for other in text.coders[at + 1 :]:
                if one or other:
                    shared, length = shared_length(one, other)
                    both, either = both + shared, either + length
    return both / either if either else float("nan")
