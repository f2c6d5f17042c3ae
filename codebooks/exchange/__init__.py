"""Codebooks as files: YAML carries everything; CSV and XLSX have a row a code.

read(path) -> Book        every mistake of the file in one Problem, each with its line or cell
write(book, path) -> list[Problem]        what the form of the file could not carry
"""

import os
import tempfile
from pathlib import Path

from codebooks.exchange import tables, yamls
from codebooks.exchange.books import (
    Book,
    CodeSpec,
    DimensionSpec,
    Example,
    WordingSpec,
    digest,
    key_from,
    settled,
)
from codebooks.exchange.checking import Entry, Mistakes, Notes, checked
from studies.problems import Problem, _

__all__ = [
    "Book",
    "CodeSpec",
    "DimensionSpec",
    "Example",
    "Mistakes",
    "WordingSpec",
    "digest",
    "key_from",
    "read",
    "settled",
    "write",
]

LARGEST = 20_000_000  # bytes; a thousand codes in ten languages have five
FORMS = (".yaml", ".yml", ".csv", ".tsv", ".xlsx")


def read(path: str | Path) -> Book:
    """Return the codebook in the file at `path`; its extension says what it is."""
    path = Path(path)
    form = form_of(path)
    notes = Notes(path.name)
    try:
        if path.stat().st_size > LARGEST:
            raise Problem(_("%(file)s is larger than 20 MB: no codebook is."), file=path.name)
        if form == ".xlsx":
            whole = tables.read(tables.rows_of_xlsx(path, notes), path.stem, notes)
        else:
            whole = from_text(text_of(path.read_bytes(), notes), form, path.stem, notes)
    except OSError as error:
        raise Problem(
            _("%(file)s can’t be read: %(error)s."), file=str(path), error=error.strerror or error
        ) from error
    return checked(whole, path.stem, notes)


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
    form = form_of(path)
    losses: list[Problem] = []
    try:
        # Written beside and moved, so that a file that was there stays whole until the end.
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=form)
        os.close(handle)
        beside = Path(name)
        try:
            if form in (".yaml", ".yml"):
                beside.write_text(yamls.written(book), encoding="utf-8", newline="\n")
            else:
                rows, losses = tables.rows_of(book)
                if form == ".xlsx":
                    losses += tables.write_xlsx(rows, beside)
                else:
                    # Excel takes a CSV for UTF-8 only if a BOM says so.
                    beside.write_text(
                        tables.written_csv(rows, form), encoding="utf-8-sig", newline=""
                    )
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
    return losses


def form_of(path: Path) -> str:
    """Return the extension of `path`, one of `FORMS`."""
    form = path.suffix.lower()
    if form not in FORMS:
        raise Problem(
            _("%(file)s: a codebook is a file that ends in %(forms)s."),
            file=path.name,
            forms=", ".join(FORMS),
        )
    return form
