"""Export codings as a tidy table: one row per segment, code and coder (a person or a run).

Rows are made some hundred segments at a time and written as they come, so memory stays flat. The
file appears under its name only when it is whole.
"""

import csv
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from codebooks.models import Kind, Revision
from coding.models import Answer, Coding, CodingKind, Evidence, Mark
from reviews.models import Assignment, Purpose, Sample
from reviews.rows import no_formula
from reviews.sampling import current_sample, revision_in_use, rounds
from reviews.tables import attribute_names, load_drawn, load_units
from studies.audit import Action, record
from studies.models import Membership, Segment, Study, Transcript
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
NOT_LOOKED_AT: Values = (None,) * 7
NO_EVIDENCE: Values = (None,) * 4


class Sink:
    """A file that takes rows; `safe` is what its readers need done to a text."""

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self.file = file
        self.columns = columns

    def safe(self, value: Any) -> Any:
        """Return `value` as it is written."""
        return value

    def write(self, rows: Sequence[Values]) -> None:
        """Write `rows`, whose texts are safe."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is still to be written."""


class CsvSink(Sink):
    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        super().__init__(file, columns)
        self.text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self.writer = csv.writer(self.text, lineterminator="\n")
        self.writer.writerow([self.safe(column) for column in columns])

    def safe(self, value: Any) -> Any:
        return no_formula(as_text(value)) if isinstance(value, str | list | dict) else value

    def write(self, rows: Sequence[Values]) -> None:
        self.writer.writerows(rows)

    def close(self) -> None:
        self.text.flush()
        self.text.detach()


class JsonSink(Sink):
    def write(self, rows: Sequence[Values]) -> None:
        lines = (
            json.dumps(dict(zip(self.columns, row, strict=True)), ensure_ascii=False)
            for row in rows
        )
        self.file.write("".join(line + "\n" for line in lines).encode())


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

    def write(self, rows: Sequence[Values]) -> None:
        for row in rows:
            self.sheet.append(row)

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
        self.waiting: list[Values] = []

    def safe(self, value: Any) -> Any:
        return None if value is None else as_text(value)

    def write(self, rows: Sequence[Values]) -> None:
        self.waiting.extend(rows)
        if len(self.waiting) >= ROW_GROUP:
            self.group()

    def group(self) -> None:
        """Write the rows that wait as one row group."""
        if self.waiting:
            columns = zip(*self.waiting, strict=True)
            arrays = [
                pa.array(column, kind)
                for column, kind in zip(columns, self.schema.types, strict=True)
            ]
            self.writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
            self.waiting.clear()

    def close(self) -> None:
        self.group()
        self.writer.close()


SINKS: Mapping[str, type[Sink]] = {
    ".csv": CsvSink,
    ".xlsx": SheetSink,
    ".jsonl": JsonSink,
    ".parquet": ParquetSink,
}


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
    """A code of the exported revision; `told` are the keys of dimension and code as written."""

    pk: int
    dimension: str
    scale: bool
    told: tuple[str, str]


@dataclass(frozen=True)
class Told:
    """One coding: the dimensions decided, and what is written of each code marked."""

    dimensions: frozenset[str]
    codes: Mapping[int, Values]


def export(
    study: Study, path: str | Path, advance: Callable[[int], None] = lambda segments: None
) -> dict[str, int]:
    """Write the study's codings to `path` in the format of its ending; return how many rows.

    All runs (no replicates) and all people who coded with the revision in use are in it. A run has
    rows for every segment, a person for the segments that they coded or were asked about; `applies`
    is empty where nobody looked, where the coder failed and where a person was unsure. Of several
    passages the first in the text is given. `advance` is told how many segments are done, as they
    are.
    """
    path = Path(path)
    make = SINKS.get(path.suffix.lower())
    if make is None:
        raise Problem(
            _("“%(file)s” has no ending of a format that can be written: %(formats)s."),
            file=path.name,
            formats=", ".join(SINKS),
        )
    table = Tidy(study)
    if make is SheetSink:
        table.check_sheet(path)
    rows = segments = 0
    with written_whole(path) as file:
        sink = make(file, table.columns)
        for places in table.places():
            made = list(table.rows(places, sink.safe))
            sink.write(made)
            rows += len(made)
            segments += len(places)
            advance(len(places))
        sink.close()
    record(study, None, Action.EXPORTED, path.name, after={"rows": rows, "segments": segments})
    return {"rows": rows, "segments": segments}


class Tidy:
    """The rows of a study's export, in order of segments, then runs and people, then codes."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.revision: Revision = revision_in_use(study)
        self.sample: Sample | None = current_sample(study)
        # A replicate is the same coder asked again, and no coder of its own.
        runs = study.runs.filter(revision=self.revision, replicate=0)
        self.runs = dict(runs.values_list("pk", "name"))
        often = Counter(self.runs.values())
        self.runs = {
            pk: f"{name} ({pk})" if often[name] > 1 else name
            for pk, name in sorted(self.runs.items())
        }
        everybody = User.objects.filter(
            Q(pk__in=Coding.objects.by_people().filter(revision=self.revision).values("person"))
            | Q(pk__in=Assignment.objects.filter(item__sample__study=study).values("person"))
        )
        # Who left the study keeps what they coded, under the name they sign in with.
        self.names = dict(everybody.values_list("pk", "username")) | dict(
            Membership.objects.filter(study=study).values_list("person_id", "name")
        )
        self.attributes = attribute_names(study)
        self.columns = [*FIRST, *headings(self.attributes), *LAST]
        self.codes = [
            (code.pk, dimension.key, code.key, dimension.kind == Kind.SCALE)
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

    def rows(self, places: Sequence[Place], safe: Callable[[Any], Any]) -> Iterator[Values]:
        """Yield the rows of `places`, every text of them made safe."""
        told = self.told(places, safe)
        people: dict[int, list[int]] = {}
        for person, segment in self.people([place.pk for place in places]):
            people.setdefault(segment, []).append(person)
        codes = [
            Code(pk, dimension, scale, (safe(dimension), safe(code)))
            for pk, dimension, code, scale in self.codes
        ]
        runs = [("run", pk, safe(name)) for pk, name in self.runs.items()]
        for place in places:
            before = (
                safe(place.transcript),
                place.index,
                safe(place.language),
                *(safe(place.attributes.get(name)) for name in self.attributes),
            )
            after = (safe(place.stratum), place.inclusion)
            asked = sorted((self.names[person], person) for person in people.get(place.pk, ()))
            for kind, pk, name in [*runs, *(("person", pk, safe(name)) for name, pk in asked)]:
                coding = told.get((place.pk, kind, pk))
                for code in codes:
                    yield (*before, name, *code.told, *cells(coding, code), *after)

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
        transcript_of = {pk: segments[segment] for pk, segment, *_rest in codings}
        evidence = self.evidence(transcript_of, safe)
        scales = {code for code, _dimension, _key, scale in self.codes if scale}
        marked: dict[int, dict[int, Values]] = {}
        marks = Mark.objects.filter(
            coding__revision=self.revision, coding__segment__in=segments
        ).order_by()
        for mark, coding, code, answer, value, confidence in marks.values_list(
            "pk", "coding_id", "code_id", "answer", "value", "confidence"
        ):
            marked.setdefault(coding, {})[code] = (
                {"yes": 1, "no": 0}.get(answer),
                value if code in scales else None,
                confidence,
                *(evidence.get(mark, NO_EVIDENCE) if answer != Answer.NO else NO_EVIDENCE),
            )
        return {
            (segment, "run" if run else "person", run or person): Told(
                frozenset(dimensions), marked.get(pk, {})
            )
            for pk, segment, run, person, dimensions in codings
        }

    def evidence(
        self, transcript_of: Mapping[int, int], safe: Callable[[Any], Any]
    ) -> dict[int, Values]:
        """Return quote, start, end and found of the first passage of each mark of the codings."""
        rows = (
            Evidence.objects.filter(mark__coding__in=transcript_of)
            .order_by()
            .values_list("mark_id", "start", "end", "found", "quote", "mark__coding_id", "pk")
        )
        # Sorted here: databases disagree whether NULL comes first.
        ordered = sorted(rows, key=lambda row: (row[0], row[1] is None, row[1] or 0, row[6]))
        firsts = [next(rows) for _mark, rows in groupby(ordered, key=lambda row: row[0])]
        needed = {transcript_of[row[5]] for row in firsts if row[1] is not None}
        texts = dict(Transcript.objects.filter(pk__in=needed).values_list("pk", "text"))
        return {
            mark: (
                safe(quote if start is None else texts[transcript_of[coding]][start:end]),
                start,
                end,
                found,
            )
            for mark, start, end, found, quote, coding, _pk in firsts
        }

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


def cells(coding: Told | None, code: Code) -> Values:
    """Return applies, value, confidence, quote, start, end and found of `code`."""
    if coding is None:
        return NOT_LOOKED_AT
    if marked := coding.codes.get(code.pk):
        return marked
    return (0, None, None, *NO_EVIDENCE) if code.dimension in coding.dimensions else NOT_LOOKED_AT


def headings(attributes: Sequence[str]) -> list[str]:
    """Return the headings of the attributes; one that is called like a column of ours says so.

    >>> headings(["age", "language"])
    ['age', 'participant language']
    """
    taken = {*FIRST, *LAST}
    return [f"participant {name}" if name in taken else name for name in attributes]


def as_text(value: Any) -> str:
    """Return an attribute as text: lists and the like as JSON.

    >>> as_text(["a", 1]), as_text(34)
    ('["a", 1]', '34')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
