"""Files with a row an interview: csv, tsv, xlsx, jsonl; plain Python.

Rows come one at a time, so that a file of 1 GB needs no more memory than its longest row. A cell is
text whatever it looks like: a formula in a CSV file is the characters it is written with.
"""

import csv
import datetime
import io
import json
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any

from . import documents
from .encodings import encoding_of
from .languages import guess
from .problems import Problem, _
from .sources import Source

MOST_CELL = 16_000_000  # characters; a cell beyond it is a quotation mark never closed
MOST_XLSX = 200 << 20  # bytes unpacked: openpyxl holds all texts of a workbook in memory
LOOKED_AT = 100  # rows that say which columns there are and which are long
END = "\x1e end of file \x1e"


@dataclass(slots=True)
class Row:
    """One row: its number as a spreadsheet counts (the header is 1), its line, its cells.

    `problem` says why nothing can be had from it; `share` how much of the file is read (0 to 1).
    """

    number: int
    line: int
    cells: dict[str, str] = field(default_factory=dict)
    talks: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    problem: Problem | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file's columns, the start of each (`first`), and how to read it."""

    source: Source
    columns: list[str]
    first: list[Row]
    encoding: str = "utf-8"
    delimiter: str = ","

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header, in order; each call reads anew."""
        if self.source.kind == "xlsx":
            return _xlsx_rows(self.source)
        if self.source.kind in ("jsonl", "ndjson"):
            return _json_rows(self.source, self.encoding)
        return _csv_rows(self.source, self.encoding, self.delimiter)


def look(source: Source) -> Sheet:
    """Return the sheet in `source` after a look at its start; a Problem if it has no columns."""
    encoding, delimiter = "utf-8", ","
    if source.kind == "xlsx":
        rows = _xlsx_rows(source)
    else:
        with source.open() as file:
            encoding = encoding_of(file, guess)
        with source.open() as file:
            if problem := documents.not_text(source.name, file.read(1000), encoding):
                raise problem
        if source.kind in ("jsonl", "ndjson"):
            rows = _json_rows(source, encoding)
        else:
            delimiter = "\t" if source.kind == "tsv" else _delimiter(source, encoding)
            rows = _csv_rows(source, encoding, delimiter)
    first = list(islice(rows, LOOKED_AT))
    columns = list(dict.fromkeys(chain.from_iterable(row.cells for row in first)))
    if not columns:
        raise next(
            (row.problem for row in first if row.problem),
            Problem(
                _("“%(file)s” holds no interviews: it has no rows below its header."),
                file=source.name,
            ),
        )
    return Sheet(source, columns, first, encoding, delimiter)


def _text_of(file: IO[bytes], encoding: str) -> io.TextIOWrapper:
    # Bytes that are no text become lone surrogates, by which their row is found.
    wide = encoding.startswith(("utf-16", "utf-32"))
    errors = "surrogatepass" if wide else "surrogateescape"
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")


def _delimiter(source: Source, encoding: str) -> str:
    """Return the sign between cells: the one that gives the first rows the same number of cells."""
    with source.open() as file, _text_of(file, encoding) as text:
        start = text.read(1 << 16)
    if sign := re.match(r"\ufeff?sep=(.)\r?\n", start):
        return sign[1]
    best, most = ",", (0.0, 0)
    csv.field_size_limit(MOST_CELL)
    for delimiter in (",", ";", "\t", "|"):
        lines = start.splitlines(keepends=True)
        try:
            rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), 30) if row]
        except csv.Error:  # a cell beyond all measure, which the rows themselves will report
            continue
        if not rows or len(rows[0]) < 2:
            continue
        # The last row may be cut off by the end of the sample.
        body = rows[1:-1] or rows[1:]
        same = sum(len(row) == len(rows[0]) for row in body) / len(body) if body else 1.0
        if (same, len(rows[0])) > most:
            best, most = delimiter, (same, len(rows[0]))
    return best


def _csv_rows(source: Source, encoding: str, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(MOST_CELL)
    with source.open() as raw, _text_of(raw, encoding) as text:
        # The row of our own tells at the end whether a quotation mark was left open before it.
        reader = csv.reader(chain(text, [END]), delimiter=delimiter)
        columns: list[str] = []
        number, line = 0, 0
        while True:
            number, line = number + 1, reader.line_num + 1
            share = min(1.0, raw.tell() / source.size) if source.size else 1.0
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield Row(number, line, problem=never_closed(source.name, line), share=1.0)
                return
            if cells == [END]:
                return
            if cells and cells[-1].endswith(END):
                yield Row(number, line, problem=never_closed(source.name, line), share=1.0)
                return
            if not any(cells):
                continue
            if not columns:
                if number == 1 and re.fullmatch(r"\ufeff?sep=.?", delimiter.join(cells)):
                    continue
                columns = _columns(cells)
                continue
            yield _row(source, number, line, columns, cells, share)


def never_closed(name: str, line: int) -> Problem:
    """Return what to say of a quotation mark that swallows the rest of a table."""
    return Problem(
        _(
            "The quotation mark opened in line %(line)s of “%(file)s” is never closed, "
            "so nothing from there on can be read; close it."
        ),
        line=line,
        file=name,
    )


def _name(cell: str) -> str:
    """Return a column's name as it is kept: no database holds NUL or halves of characters."""
    return " ".join(re.sub("[\x00-\x08\x0e-\x1f\ud800-\udfff\ufeff]", "", cell).split())


def _columns(cells: Sequence[str]) -> list[str]:
    """Return the names of the columns, each once.

    >>> _columns(["\ufeffid", "text ", "", "text"])
    ['id', 'text', '', 'text (2)']
    """
    names: list[str] = []
    for cell in cells:
        name = _name(cell)
        number = 2
        base = name
        while name and name in names:
            name, number = f"{base} ({number})", number + 1
        names.append(name)
    return names


def _row(
    source: Source, number: int, line: int, columns: list[str], cells: Sequence[str], share: float
) -> Row:
    if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
        problem = Problem(
            _(
                "Row %(row)s of “%(file)s” has %(cells)s cells where the header has %(columns)s; "
                "put text that holds a separator between quotation marks."
            ),
            row=number,
            file=source.name,
            cells=len(cells),
            columns=len(columns),
        )
        return Row(number, line, problem=problem, share=share)
    named = {name: cell for name, cell in zip(columns, cells, strict=False) if name}
    for name in columns[len(cells) :]:
        if name:
            named[name] = ""
    return Row(number, line, named, share=share)


def _xlsx_rows(source: Source) -> Iterator[Row]:
    # Imported here: the package takes a moment that no other command should wait for.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    with _seekable(source) as file:
        documents.check_office(source.name, file, MOST_XLSX)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles and what else is not text
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
                sheet = book.worksheets[0]
                total = sheet.max_row or 0
                sheet.reset_dimensions()
        except (
            InvalidFileException,
            KeyError,
            ValueError,
            IndexError,
            zipfile.BadZipFile,
        ) as error:
            raise documents.damaged(source.name) from error
        columns: list[str] = []
        cells_of = sheet.iter_rows(values_only=True)
        number = 0
        while True:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    values = next(cells_of)
                except StopIteration:
                    return
                except (ValueError, KeyError, zipfile.BadZipFile, SyntaxError) as error:
                    raise documents.damaged(source.name) from error
            number += 1
            cells = [_cell(value) for value in values]
            if not any(cells):
                continue
            if not columns:
                while cells and not cells[-1]:
                    cells.pop()
                columns = _columns(cells)
                continue
            share = min(1.0, number / total) if total else 0.0
            yield _row(source, number, number, columns, cells, share)


def _seekable(source: Source) -> IO[bytes]:
    """Return the bytes of `source` where they can be read in any order."""
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=32 << 20)  # noqa: SIM115
    with source.open() as stream:
        while chunk := stream.read(1 << 20):
            file.write(chunk)
            if file.tell() > MOST_XLSX:
                file.close()
                raise Problem(
                    _("“%(file)s” is larger than %(megabytes)s MB: save it as CSV."),
                    file=source.name,
                    megabytes=MOST_XLSX >> 20,
                )
    file.seek(0)
    return file


def _cell(value: object) -> str:
    """Return what a person sees in a cell.

    >>> [_cell(value) for value in (None, 3.0, True, datetime.datetime(2024, 5, 1), "a_x000D_b")]
    ['', '3', 'true', '2024-05-01', 'a\\rb']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    text = str(value)
    if "_x" in text:  # how a workbook writes a character that XML can't hold
        text = re.sub("_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)
    return text


def _json_rows(source: Source, encoding: str) -> Iterator[Row]:
    with source.open() as raw, _text_of(raw, encoding) as text:
        number = 0
        while line := text.readline(MOST_CELL * 2):
            number += 1
            if not line.strip("\ufeff \t\r\n"):
                continue
            share = min(1.0, raw.tell() / source.size) if source.size else 1.0
            yield _json_row(source, number, line.lstrip("\ufeff"), share)


def _json_row(source: Source, number: int, line: str, share: float) -> Row:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        problem = Problem(
            _("Line %(line)s of “%(file)s” is no JSON object: write one interview a line."),
            line=number,
            file=source.name,
        )
        return Row(number, number, problem=problem, share=share)
    row = Row(number, number, share=share)
    for key, value in found.items():
        if not (name := _name(key)):
            continue
        if talk := _talk(value):
            row.talks[name] = talk
            row.cells[name] = "\n\n".join(
                f"{who}: {words}" if who else words for who, words in talk
            )
        else:
            row.cells[name] = _plain(value)
    return row


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


_WHO = ("speaker", "role", "name", "from", "author")
_WHAT = ("text", "content", "words", "message", "value")


def _talk(value: Any) -> list[tuple[str, str]] | None:
    """Return who says what in a list of turns; None if `value` is no such list.

    >>> _talk([{"role": "assistant", "content": "Why?"}, {"role": "user", "content": "Because."}])
    [('assistant', 'Why?'), ('user', 'Because.')]
    """
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    talk = []
    for one in value:
        who = next((one[name] for name in _WHO if isinstance(one.get(name), str)), "")
        what = next((one[name] for name in _WHAT if isinstance(one.get(name), str)), None)
        if what is None:
            return None
        talk.append((" ".join(who.split()), what))
    return talk
