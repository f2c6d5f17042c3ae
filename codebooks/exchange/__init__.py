"""Codebooks as files: YAML carries everything; CSV and XLSX have a row a code; QDC is REFI-QDA.

read(path) -> Book        every mistake of the file in one Problem, each with its line or cell
parsed(content, name) -> Book        the same of a file's bytes; its name says what it is
write(book, path) -> list[Problem]        what the form of the file could not carry
written(book, form) -> bytes, list[Problem]        the same as bytes
"""

import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from codebooks.exchange import qdc, tables, yamls
from codebooks.exchange.books import (
    Book,
    CodeSpec,
    DimensionSpec,
    Example,
    WordingSpec,
    digest,
    from_data,
    key_from,
    settled,
)
from codebooks.exchange.checking import Entry, Mistakes, Notes, checked
from studies.problems import Problem, _
from studies.projects import opened

__all__ = [
    "FORMS",
    "Book",
    "CodeSpec",
    "DimensionSpec",
    "Example",
    "Mistakes",
    "WordingSpec",
    "digest",
    "from_data",
    "key_from",
    "losses",
    "parsed",
    "read",
    "settled",
    "write",
    "written",
]

LARGEST = 20_000_000  # bytes; a thousand codes in ten languages have five
FORMS = (".yaml", ".yml", ".csv", ".tsv", ".xlsx", ".qdc")
PROJECT = ".qdpx"  # holds a codebook beside much else, so that it can be read as one


def read(path: str | Path) -> Book:
    """Return the codebook in the file at `path`; its extension says what it is."""
    path = Path(path)
    form = form_of(path.name, (*FORMS, PROJECT))
    try:
        if form == PROJECT:
            notes = Notes(path.name)
            with opened(path.name, path.open("rb"), sources=False) as project:
                whole = qdc.codebook(project.codebook(), project.origin, path.stem, notes)
            return checked(whole, path.stem, notes)
        if path.stat().st_size > LARGEST:
            raise too_large(path.name)
        content = path.read_bytes()
    except OSError as error:
        raise Problem(
            _("%(file)s can’t be read: %(error)s."), file=str(path), error=error.strerror or error
        ) from error
    return parsed(content, path.name)


def parsed(content: bytes, name: str) -> Book:
    """Return the codebook that a file called `name` holds; its extension says what it is."""
    form, stem = form_of(name), Path(name).stem
    if len(content) > LARGEST:
        raise too_large(name)
    notes = Notes(name)
    if form == ".xlsx":
        whole = tables.read(tables.rows_of_xlsx(io.BytesIO(content), notes), stem, notes)
    elif form == ".qdc":
        whole = qdc.read(content, stem, notes)
    else:
        whole = from_text(text_of(content, notes), form, stem, notes)
    return checked(whole, stem, notes)


def too_large(name: str) -> Problem:
    """Return the problem that the file called `name` has more than `LARGEST` bytes."""
    return Problem(_("%(file)s is larger than 20 MB: no codebook is."), file=name)


def from_text(text: str, form: str, stem: str, notes: Notes) -> Entry:
    """Return what `text` says, which is YAML or CSV."""
    if form in (".yaml", ".yml"):
        return yamls.read(text, notes)
    return tables.read(tables.rows_of_csv(text, notes), stem, notes)


def text_of(content: bytes, notes: Notes) -> str:
    """Return the text of a file: UTF-8, or UTF-16 that says so."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        notes.add(
            Problem(_("line %(line)s"), line=line),
            _("The file is not in UTF-8: save it again as UTF-8 (in Excel: “CSV UTF-8”)."),
        )
        notes.raised()
        raise


def write(book: Book, path: str | Path) -> list[Problem]:
    """Write `book` to `path`, whose extension says as what; return what that could not carry."""
    path = Path(path)
    content, lost = written(book, form_of(path.name))
    try:
        # Written beside and moved, so that a file that was there stays whole until the end.
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            beside.chmod(0o644)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise Problem(
            _("%(file)s can’t be written: %(error)s."),
            file=str(path),
            error=error.strerror or error,
        ) from error
    return lost


def written(book: Book, form: str) -> tuple[bytes, list[Problem]]:
    """Return `book` as a file of that form, one of `FORMS`, and what it could not carry."""
    if form in (".yaml", ".yml"):
        return yamls.written(book).encode(), []
    if form == ".qdc":
        file = io.BytesIO()
        lost = qdc.write(book, file)
        return file.getvalue(), lost
    rows, lost = tables.rows_of(book)
    if form == ".xlsx":
        return tables.written_xlsx(rows), lost + tables.cut_off(rows)
    # Excel takes a CSV for UTF-8 only if a BOM says so.
    return tables.written_csv(rows, form).encode("utf-8-sig"), lost


def losses(book: Book) -> list[Problem]:
    """Return what tables and QDC can't carry of `book`; YAML carries all of it."""
    rows, lost = tables.rows_of(book)
    placed = qdc.write(book, io.BytesIO()) if book.dimensions else []
    return lost + tables.cut_off(rows) + placed


def form_of(name: str, forms: Sequence[str] = FORMS) -> str:
    """Return the extension of a file's name, one of `forms`."""
    form = Path(name).suffix.lower()
    if form not in forms:
        raise Problem(
            _("%(file)s: a codebook is a file that ends in %(forms)s."),
            file=name,
            forms=", ".join(forms),
        )
    return form
