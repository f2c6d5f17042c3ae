"""Export codings as a tidy table: one row per segment, code and coder (a person or a run).

Or the study as a project that other programs read (`project_files`). Rows are made some hundred
segments at a time and written as they come, so memory stays flat. Most cells are those of a row
beside it: such parts of rows are made ready for writing once. The file appears under its name only
when it is whole.
"""

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import Q, QuerySet
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from codebooks.models import Kind, Revision
from coding.models import Answer, Coding, CodingKind, Mark
from reviews.models import Assignment, Purpose, Sample
from reviews.named import as_text, names_of_people, names_of_runs
from reviews.project_files import write_project
from reviews.rows import no_formula
from reviews.sampling import current_sample, revision_in_use, rounds
from reviews.tables import attribute_names, headings, load_drawn, load_units
from studies.audit import Action, record
from studies.models import Segment, Study, Transcript
from studies.problems import Problem, _

FIRST = ("transcript", "segment", "language")
LAST = (
    "coder",
    "dimension",
    "code",
    "applies",
    "value",
    "confidence",
    "quote",
    "start",
    "end",
    "found",
    "stratum",
    "inclusion",
)
SEGMENTS = 400
ROW_GROUP = 50_000
SHEET_ROWS = 1_048_576
LONGEST_CELL = 32_767
Values = tuple[Any, ...]
APPLIES = {Answer.YES: 1, Answer.NO: 0}
NO_EVIDENCE: Values = (None,) * 4
NOT_LOOKED_AT: Values = (None, None, None, *NO_EVIDENCE)
NOT_APPLIED: Values = (0, None, None, *NO_EVIDENCE)
Part = Any  # neighbouring cells of a row, as a sink has made them ready


@dataclass(frozen=True, slots=True)
class Rows:
    """What one coder says of one segment: a row for each of `codes`, alike before and after it."""

    before: Part
    codes: Sequence[Part]
    after: Part


class Sink:
    """A file that takes rows; `safe` is what its readers need done to a text."""

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self.file = file
        self.columns = columns

    def safe(self, value: Any) -> Any:
        """Return `value` as it is written."""
        return value

    def part(self, first: int, values: Values) -> Part:
        """Return the cells from the column `first` on, whose texts are safe, ready for writing."""
        return values

    def write(self, coded: Sequence[Rows]) -> None:
        """Write all rows of `coded`."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is still to be written."""


class TextSink(Sink):
    """A file of lines, in which the text of a cell is the same whatever stands beside it."""

    begin, between, end = "", "", "\n"

    def write(self, coded: Sequence[Rows]) -> None:
        lines = []
        for rows in coded:
            before = self.begin + rows.before + self.between
            after = self.between + rows.after + self.end
            lines += [before, (after + before).join(rows.codes), after]
        self.file.write("".join(lines).encode())


class CsvSink(TextSink):
    between = ","

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        super().__init__(file, columns)
        # So it quotes a carriage return too, which readers take for the end of a row.
        self.writer = csv.writer(Echo(), lineterminator="\r\n")
        heading = self.part(0, tuple(self.safe(column) for column in columns))
        file.write((heading + self.end).encode())

    def safe(self, value: Any) -> Any:
        return no_formula(as_text(value)) if isinstance(value, str | list | dict) else value

    def part(self, first: int, values: Values) -> Part:
        return self.writer.writerow(values).removesuffix("\r\n")


class Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        """Return `text`."""
        return text


class JsonSink(TextSink):
    begin, between, end = "{", ", ", "}\n"

    def part(self, first: int, values: Values) -> Part:
        named = dict(zip(self.columns[first:], values, strict=False))
        return json.dumps(named, ensure_ascii=False)[1:-1]


class SheetSink(Sink):
    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        super().__init__(file, columns)
        self.book = Workbook(write_only=True)
        self.sheet = self.book.create_sheet("codings")
        self.sheet.append([self.safe(column) for column in columns])

    def safe(self, value: Any) -> Any:
        if not isinstance(value, str | list | dict):
            return value
        text = ILLEGAL_CHARACTERS_RE.sub("\ufffd", no_formula(as_text(value)))
        return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"

    def write(self, coded: Sequence[Rows]) -> None:
        for rows in coded:
            for code in rows.codes:
                self.sheet.append((*rows.before, *code, *rows.after))

    def close(self) -> None:
        self.book.save(self.file)


class ParquetSink(Sink):
    KINDS: Mapping[str, pa.DataType] = {
        "segment": pa.int32(),
        "applies": pa.int8(),
        "value": pa.float64(),
        "confidence": pa.float64(),
        "start": pa.int32(),
        "end": pa.int32(),
        "inclusion": pa.float64(),
    }

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        super().__init__(file, columns)
        kinds = [self.KINDS.get(column, pa.string()) for column in columns]
        self.schema = pa.schema(list(zip(columns, kinds, strict=True)))
        self.writer = pq.ParquetWriter(file, self.schema, compression="zstd")
        self.waiting: list[Rows] = []

    def safe(self, value: Any) -> Any:
        return None if value is None else as_text(value)

    def write(self, coded: Sequence[Rows]) -> None:
        self.waiting += coded
        if sum(len(rows.codes) for rows in self.waiting) >= ROW_GROUP:
            self.group()

    def group(self) -> None:
        """Write the rows that wait as one row group."""
        if not self.waiting:
            return
        before = self.arrays(0, [rows.before for rows in self.waiting])
        codes = self.arrays(len(before), chain.from_iterable(rows.codes for rows in self.waiting))
        after = self.arrays(len(before) + len(codes), [rows.after for rows in self.waiting])
        # What the rows of a coding share is read from Python once and repeated here.
        of_row = np.repeat(np.arange(len(self.waiting)), [len(rows.codes) for rows in self.waiting])
        arrays = [
            *(array.take(of_row) for array in before),
            *codes,
            *(array.take(of_row) for array in after),
        ]
        self.writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self.waiting.clear()

    def arrays(self, first: int, rows: Iterable[Values]) -> list[pa.Array]:
        """Return the columns of `rows`, which begin with the column `first`."""
        columns = zip(*rows, strict=True)
        return [
            pa.array(column, self.schema.types[first + at]) for at, column in enumerate(columns)
        ]

    def close(self) -> None:
        self.group()
        self.writer.close()


SINKS: Mapping[str, type[Sink]] = {
    ".csv": CsvSink,
    ".xlsx": SheetSink,
    ".jsonl": JsonSink,
    ".parquet": ParquetSink,
}
PROJECT = ".qdpx"


@dataclass(frozen=True)
class Place:
    """A segment, with what all its rows have in common."""

    pk: int
    transcript_pk: int
    transcript: str
    index: int
    language: str
    attributes: Mapping[str, Any]
    stratum: str | None
    inclusion: float | None


@dataclass(frozen=True)
class Code:
    """A code of the exported revision."""

    pk: int
    dimension: str
    key: str
    scale: bool


@dataclass(frozen=True)
class Told:
    """One coding: the dimensions decided, and what is written of each code marked, by number."""

    dimensions: frozenset[str]
    codes: Mapping[int, Values]


NOTHING = Told(frozenset(), {})


def export(
    study: Study, path: str | Path, advance: Callable[[int], None] = lambda segments: None
) -> dict[str, Any]:
    """Write the study's codings to `path` in the format of its ending; return how many rows.

    Of a project (`.qdpx`) return how many interviews and codings are in it, and as `losses` the
    Problems that say what it could not hold.

    All runs (no replicates) and all people who coded with the revision in use are in it. A run has
    rows for every segment, a person for the segments that they coded or were asked about; `applies`
    is empty where nobody looked, where the coder failed and where a person was unsure. Of several
    passages the first in the text is given. `advance` is told how many segments are done, as they
    are.
    """
    path = Path(path)
    if path.suffix.lower() == PROJECT:
        return export_project(study, path, advance)
    make = SINKS.get(path.suffix.lower())
    if make is None:
        raise Problem(
            _("“%(file)s” has no ending of a format that can be written: %(formats)s."),
            file=path.name,
            formats=", ".join([*SINKS, PROJECT]),
        )
    table = Tidy(study)
    if make is SheetSink:
        table.check_sheet(path)
    rows = segments = 0
    with written_whole(path) as file:
        sink = make(file, table.columns)
        for places in table.places():
            coded = list(table.rows(places, sink))
            sink.write(coded)
            rows += len(coded) * len(table.codes)
            segments += len(places)
            advance(len(places))
        sink.close()
    record(study, None, Action.EXPORTED, path.name, after={"rows": rows, "segments": segments})
    return {"rows": rows, "segments": segments}


def export_project(study: Study, path: Path, advance: Callable[[int], None]) -> dict[str, Any]:
    """Write the study to `path` as a project; return what is in it and what is not."""
    revision = revision_in_use(study)
    with written_whole(path) as file:
        written = write_project(study, revision, file, advance)
    counts = {
        "interviews": written.interviews,
        "segments": written.segments,
        "codings": written.codings,
    }
    record(study, None, Action.EXPORTED, path.name, after=counts)
    return {**counts, "losses": written.losses}


class Tidy:
    """The rows of a study's export, in order of segments, then runs and people, then codes."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.revision: Revision = revision_in_use(study)
        self.sample: Sample | None = current_sample(study)
        self.runs = names_of_runs(study, self.revision)
        self.names = names_of_people(study, self.revision)
        self.attributes = attribute_names(study)
        self.columns = [*FIRST, *headings(self.attributes, {*FIRST, *LAST}), *LAST]
        self.codes = [
            Code(code.pk, dimension.key, code.key, dimension.kind == Kind.SCALE)
            for dimension in self.revision.dimensions.order_by("position", "pk")
            for code in dimension.codes.order_by("position", "pk")
        ]

    def check_sheet(self, path: Path) -> None:
        """Raise a Problem if there are more rows than a sheet holds."""
        segments = Segment.objects.filter(transcript__study=self.study).count()
        rows = len(self.codes) * (segments * len(self.runs) + self.people().count())
        if rows >= SHEET_ROWS:
            raise Problem(
                _(
                    "%(rows)d rows are more than the %(most)d that a sheet holds: export to .csv "
                    "or .parquet instead of “%(file)s”."
                ),
                rows=rows,
                most=SHEET_ROWS - 1,
                file=path.name,
            )

    def places(self) -> Iterator[list[Place]]:
        """Yield the segments of the study in order, some hundreds at a time."""
        items: dict[int, tuple[str, float]] = {}
        if self.sample:
            # The chance of being in any round, as the report weighs by it.
            units = load_units(self.study, rounds(self.sample))
            drawn = load_drawn(self.sample, units)
            for unit, stratum, inclusion in zip(
                drawn.unit, drawn.stratum, drawn.inclusion, strict=True
            ):
                items[int(units.segment[unit])] = drawn.strata[stratum], float(inclusion)
        rows = Segment.objects.filter(transcript__study=self.study).order_by("pk")
        last = 0
        while places := [
            Place(*row, *items.get(row[0], (None, None)))
            for row in rows.filter(pk__gt=last).values_list(
                "pk",
                "transcript_id",
                "transcript__external_id",
                "index",
                "transcript__language",
                "transcript__participant__attributes",
            )[:SEGMENTS]
        ]:
            yield places
            last = places[-1].pk

    def rows(self, places: Sequence[Place], sink: Sink) -> Iterator[Rows]:
        """Yield what each coder says of each of `places`, in parts made ready by `sink`."""
        if not self.codes:
            return
        safe = sink.safe
        told = self.told(places, safe)
        people: dict[int, list[int]] = {}
        for person, segment in self.people([place.pk for place in places]):
            people.setdefault(segment, []).append(person)
        runs = [("run", pk, safe(name)) for pk, name in self.runs.items()]
        keys = [(safe(code.dimension), safe(code.key)) for code in self.codes]
        first_of_code, first_after = self.columns.index("dimension"), self.columns.index("stratum")

        @cache
        def unmarked(decided: frozenset[str]) -> list[Part]:
            """Return the parts of all codes where no code is marked: most of what is written."""
            return [
                sink.part(
                    first_of_code,
                    (*key, *(NOT_APPLIED if code.dimension in decided else NOT_LOOKED_AT)),
                )
                for key, code in zip(keys, self.codes, strict=True)
            ]

        for place in places:
            before = (
                safe(place.transcript),
                place.index,
                safe(place.language),
                *(safe(place.attributes.get(name)) for name in self.attributes),
            )
            after = sink.part(first_after, (safe(place.stratum), place.inclusion))
            asked = sorted((self.names[person], person) for person in people.get(place.pk, ()))
            for kind, pk, name in [*runs, *(("person", pk, safe(name)) for name, pk in asked)]:
                coding = told.get((place.pk, kind, pk), NOTHING)
                codes = unmarked(coding.dimensions).copy()
                for number, values in coding.codes.items():
                    codes[number] = sink.part(first_of_code, (*keys[number], *values))
                yield Rows(sink.part(0, (*before, name)), codes, after)

    def told(
        self, places: Sequence[Place], safe: Callable[[Any], Any]
    ) -> dict[tuple[int, str, int], Told]:
        """Return what is coded of `places`, by segment and coder."""
        segments = {place.pk: place.transcript_pk for place in places}
        # Of people only what they said blind: not in training, nor after they saw the machine's.
        counts = Q(run__isnull=False) | Q(kind=CodingKind.BLIND)
        codings = list(
            Coding.objects.filter(counts, revision=self.revision, segment__in=segments)
            .order_by()
            .values_list("pk", "segment_id", "run_id", "person_id", "dimensions")
        )
        marked = self.marked({pk: segments[segment] for pk, segment, *_rest in codings}, safe)
        return {
            (segment, "run" if run else "person", run or person): Told(
                frozenset(dimensions), marked.get(pk, {})
            )
            for pk, segment, run, person, dimensions in codings
        }

    def marked(
        self, transcript_of: Mapping[int, int], safe: Callable[[Any], Any]
    ) -> dict[int, dict[int, Values]]:
        """Return what is written of each code marked in the codings, with its first passage."""
        numbers = {code.pk: number for number, code in enumerate(self.codes)}
        rows = list(
            Mark.objects.filter(coding__in=transcript_of, code__in=numbers)
            .order_by()
            .values_list(
                *("coding_id", "code_id", "evidence__start", "evidence__pk", "evidence__end"),
                *("evidence__found", "evidence__quote", "answer", "value", "confidence"),
            )
        )
        # Sorted here: databases disagree whether NULL comes first.
        rows.sort(key=lambda row: (row[0], row[1], row[2] is None, row[2] or 0, row[3]))
        needed = {transcript_of[row[0]] for row in rows if row[2] is not None}
        texts = dict(Transcript.objects.filter(pk__in=needed).values_list("pk", "text"))
        marked: dict[int, dict[int, Values]] = {}
        for (coding, code), passages in groupby(rows, key=itemgetter(0, 1)):
            start, _pk, end, found, quote, answer, value, confidence = next(passages)[2:]
            said = quote if start is None else texts[transcript_of[coding]][start:end]
            number = numbers[code]
            marked.setdefault(coding, {})[number] = (
                APPLIES.get(answer),
                value if self.codes[number].scale else None,
                confidence,
                *(NO_EVIDENCE if answer == Answer.NO else (safe(said), start, end, found)),
            )
        return marked

    def people(self, segments: Sequence[int] | None = None) -> "QuerySet[Any, tuple[int, int]]":
        """Return person and segment wherever a person coded or was asked."""
        codings = Coding.objects.by_people().filter(
            revision=self.revision, segment__transcript__study=self.study
        )
        asked = Assignment.objects.filter(
            Q(returned_at=None) | Q(answered_at__isnull=False),
            item__sample__study=self.study,
            item__sample__revision=self.revision,
            item__sample__purpose=Purpose.REVIEW,
        )
        if segments is not None:
            codings = codings.filter(segment__in=segments)
            asked = asked.filter(item__segment__in=segments)
        pairs: QuerySet[Any, tuple[int, int]] = (
            codings.order_by()
            .values_list("person_id", "segment_id")
            .union(asked.order_by().values_list("person_id", "item__segment_id"))
        )
        return pairs


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that stands at `path` when the block ends well, and nowhere when it does not."""
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".export-", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp's file is its maker's alone
        temporary.replace(path)
    except OSError as error:
        raise Problem(
            _("“%(path)s” can’t be written: %(reason)s."),
            path=path,
            reason=error.strerror or type(error).__name__,
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
