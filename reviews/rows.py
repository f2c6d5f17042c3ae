"""Codings as a long table, one row a code: read from a file and given back coding by coding.

Plain Python. The rows are put in order in a temporary file of SQLite's, which is deleted when it
is closed, so a file of any size and in any order takes little memory.
"""

import csv
import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

from studies import stores
from studies.encodings import encoding_of
from studies.problems import Problem, _
from studies.sheets import END, never_closed

COLUMNS = (
    "transcript",
    "segment",
    "coder",
    "dimension",
    "code",
    "value",
    "start",
    "end",
    "quote",
    "applies",
)
NEEDED = ("transcript", "coder", "dimension", "code")
DELIMITERS = ",;\t|"
LONGEST_FIELD = 4_000_000
# A cell that begins so is run as a formula by spreadsheets.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
FIELDS = (
    *("transcript TEXT", "segment TEXT", "coder TEXT", "line INTEGER", "dimension TEXT"),
    *("code TEXT", "value TEXT", "start TEXT", "stop TEXT", "quote TEXT", "applies TEXT"),
    *("found TEXT", "given TEXT"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, its fields as written; `applies` is None where there is no column.

    `found` says how sure the place of the evidence is, where that is known already, and `given` is
    then the quotation as the coder gave it.
    """

    line: int
    dimension: str
    code: str
    value: str
    start: str
    end: str
    quote: str
    applies: str | None
    found: str = ""
    given: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """All rows of one coding: what one coder says of one segment."""

    transcript: str
    segment: str
    coder: str
    rows: tuple[Row, ...]


class Table:
    """The rows of a file, in order of interview, segment and coder."""

    def __init__(self, rows: int, store: sqlite3.Connection, has_applies: bool) -> None:
        self.rows = rows
        self.store = store
        self.has_applies = has_applies

    def groups(self) -> Iterator[Group]:
        """Yield the rows coding by coding."""
        ordered = self.store.execute(
            "SELECT transcript, segment, coder, line, dimension, code, value, start, stop, quote, "
            "CASE WHEN ? THEN applies END, found, given FROM rows "
            "ORDER BY transcript, segment, coder, line, rowid",
            [self.has_applies],
        )
        for (transcript, segment, coder), rows in groupby(ordered, key=lambda row: row[:3]):
            yield Group(transcript, segment, coder, tuple(Row(*row[3:]) for row in rows))


@contextmanager
def read(
    path: str | Path, language: Callable[[str], str], *, one_coder: str = ""
) -> Iterator[Table]:
    """Read the file whole and give its table; a Problem says what the file lacks.

    `language` names the language of a text and is asked only about old code pages. With
    `one_coder` every row is that coder's, whatever its column says.
    """
    path = Path(path)
    with stored() as store:
        with _opened(path, language) as file:
            lines, has_applies = _lines(path.name, file, one_coder)
            count = stores.keep(store, ((*line, "", "") for line in lines))
        if not count:
            raise Problem(_("“%(file)s” has no rows below its headings."), file=path.name)
        yield Table(count, store, has_applies)


def stored() -> AbstractContextManager[sqlite3.Connection]:
    """Give a store that rows can be put into in any order, while a block runs."""
    return stores.stored(*FIELDS)


@contextmanager
def _opened(path: Path, language: Callable[[str], str]) -> Iterator[io.TextIOWrapper]:
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise Problem(
            _("“%(file)s” is no table of codings: export it as .csv first."), file=path.name
        )
    try:
        with path.open("rb") as file:
            encoding = encoding_of(file, language)
            file.seek(0)
            yield io.TextIOWrapper(file, encoding=encoding, newline="")
    except OSError as error:
        raise unopened(path, error) from error


def unopened(path: Path, error: OSError) -> Problem:
    """Return the problem that the file of codings at `path` can't be opened."""
    return Problem(
        _("“%(path)s” can’t be opened: %(reason)s."),
        path=path,
        reason=error.strerror or type(error).__name__,
    )


def _lines(
    name: str, file: io.TextIOWrapper, one_coder: str
) -> tuple[Iterator[tuple[str | int, ...]], bool]:
    """Return the rows in the order of the columns of the store, and if `applies` is among them."""
    csv.field_size_limit(LONGEST_FIELD)
    try:
        first = file.readline()
        delimiter = max(DELIMITERS, key=first.count)
        headings = [
            heading.strip().casefold() for heading in next(csv.reader([first], delimiter=delimiter))
        ]
    except (StopIteration, csv.Error, UnicodeError) as error:
        raise Problem(
            _("“%(file)s” begins with no line of headings: %(columns)s."),
            file=name,
            columns=", ".join(COLUMNS[:-1]),
        ) from error
    needed = [column for column in NEEDED if column != "coder" or not one_coder]
    if missing := [column for column in needed if column not in headings]:
        raise Problem(
            _("“%(file)s” has no column “%(missing)s”; its columns should be: %(columns)s."),
            file=name,
            missing="”, “".join(missing),
            columns=", ".join(COLUMNS[:-1]),
        )
    place = {column: headings.index(column) for column in COLUMNS if column in headings}

    def rows() -> Iterator[tuple[str | int, ...]]:
        # The row of our own tells at the end whether a quotation mark was left open before it.
        reader = csv.reader(chain(file, [END]), delimiter=delimiter)
        begins = 2
        try:
            for fields in reader:
                if fields == [END]:
                    return
                if fields and fields[-1].endswith(END):
                    raise never_closed(name, begins)
                if any(fields):
                    yield _row(fields, place, one_coder, reader.line_num + 1)
                begins = reader.line_num + 2
        except (csv.Error, UnicodeError) as error:
            raise Problem(
                _(
                    "“%(file)s” can’t be read after its line %(line)d: save it as CSV in UTF-8 and "
                    "import it again."
                ),
                file=name,
                line=reader.line_num + 1,
            ) from error

    return rows(), "applies" in place


def _row(
    fields: list[str], place: dict[str, int], one_coder: str, line: int
) -> tuple[str | int, ...]:
    """Return the fields in the order of the columns of the store."""

    def field(column: str) -> str:
        at = place.get(column, len(fields))
        # PostgreSQL stores no NUL, and no coder means one.
        return as_meant(fields[at].replace("\x00", "").strip()) if at < len(fields) else ""

    segment = field("segment") or "1"
    if segment.isascii() and segment.isdigit():
        segment = segment.lstrip("0") or "0"
    told = (field(column) for column in COLUMNS[3:])
    return field("transcript"), segment, one_coder or field("coder"), line, *told


def no_formula(text: str) -> str:
    """Return `text` so that no spreadsheet runs it; numbers stay numbers.

    >>> no_formula("=1+1"), no_formula("-5"), no_formula("fine")
    ("'=1+1", '-5', 'fine')
    """
    if not text.startswith(FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


def as_meant(text: str) -> str:
    """Return `text` as it was before `no_formula`.

    >>> as_meant("'=1+1"), as_meant("'tis fine")
    ('=1+1', "'tis fine")
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text
