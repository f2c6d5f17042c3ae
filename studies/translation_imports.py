"""Bring translations of interviews in from a long table: a row a turn.

The rows are put in order in a temporary file of SQLite's, which is deleted when it is closed, so
a file of any size and in any order takes little memory. What an interview's rows say is kept in
one transaction, in the place of what was kept of it in that language before.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

from django.db import transaction

from . import stores
from .audit import Action, record
from .cleaning import cleaned, damaged
from .files import by_header, one_table, rows_of
from .languages import normalise, unknown
from .models import Study, Transcript, Translation
from .problems import UNSTORABLE, Problem, _
from .sheets import Row as SheetRow
from .sheets import Sheet
from .translations import as_kept, keep

COLUMNS = {
    "transcript": ["transcript", "transcript_id", "interview", "interview_id", "id"],
    "turn": ["turn", "turn_number"],
    "language": ["language", "lang", "language_code", "into"],
    "text": ["text", "translation", "translated_text"],
}
NEEDED = ("transcript", "language", "text")
FIELDS = (
    *("transcript TEXT", "language TEXT", "line INTEGER", "turn TEXT", "written TEXT"),
    "text TEXT",
)
BATCH = 200  # interviews looked up at once
MOST_ROWS = 1000  # rows that the report names; all are counted
LONGEST_ID = 200  # characters
LONGEST_MAKER = 200


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that was not taken, and why."""

    line: int
    transcript: str
    turn: str
    language: str
    reason: Problem


@dataclass
class Imported:
    """What an import did: translations of an interview into a language, new, other, the same.

    `left_out` counts the rows that were not taken; `reasons` names the first 1,000 of them.
    """

    rows: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    turns: int = 0
    left_out: int = 0
    reasons: list[LeftOut] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)
    languages: set[str] = field(default_factory=set)

    def leave_out(self, row: "Row", reason: Problem) -> None:
        """Count `row` as left out and name it if there is room."""
        self.left_out += 1
        if len(self.reasons) < MOST_ROWS:
            transcript, turn, language = (
                UNSTORABLE.sub("\ufffd", text)[:LONGEST_ID]
                for text in (row.transcript, row.turn, row.written)
            )
            self.reasons.append(LeftOut(row.line, transcript, turn, language, reason))


class Row(NamedTuple):
    """A row as it stands in the file; `language` is its tag as it is kept, "" for none."""

    transcript: str
    language: str
    line: int
    turn: str
    written: str
    text: str


class Known(NamedTuple):
    """What the study holds of an interview: its language and where its turns start."""

    pk: int
    language: str
    starts: list[int]


def import_translations(
    study: Study,
    path: str | Path,
    *,
    maker: str = "",
    machine: bool = True,
    at: Callable[[int, int], None] = lambda done, rows: None,
) -> Imported:
    """Keep the translations in the file at `path` beside the interviews of `study`.

    They are by `maker`, the file's name unless given, and by a machine unless it is said that
    people made them; a machine's never take the place of people's. `at` hears how many rows of how
    many are done. The same file again changes nothing.
    """
    name = Path(path).name
    maker = checked_maker(maker or name)
    imported = Imported()
    with stores.stored(*FIELDS) as store:
        imported.rows = put(store, path, imported)
        groups = grouped(store)
        done = imported.left_out
        while batch := list(islice(groups, BATCH)):
            known = looked_up(study, {rows[0].transcript for rows in batch})
            for rows in batch:
                take(rows, known.get(rows[0].transcript), maker, machine, imported)
                done += len(rows)
            at(done, imported.rows)
    if imported.left_out and not (imported.created or imported.changed or imported.unchanged):
        first = min(imported.reasons, key=lambda one: one.line)
        raise Problem(
            _(
                "None of the translations in “%(file)s” can be taken (rows left out: %(count)d). "
                "Line %(line)d: %(reason)s"
            ),
            file=name,
            count=imported.left_out,
            line=first.line,
            reason=first.reason,
        )
    imported.reasons.sort(key=lambda one: one.line)
    if imported.created or imported.changed:
        counts = {
            "translated": imported.created,
            "translated_anew": imported.changed,
            "left_out": imported.left_out,
            "languages": sorted(imported.languages),
            "maker": maker,
        }
        record(study, None, Action.TRANSLATIONS_IMPORTED, name, after=counts)
    return imported


def checked_maker(name: str) -> str:
    """Return the name of who made translations as it is kept; one too long is a Problem."""
    name = " ".join(UNSTORABLE.sub("", name).split())
    if not name or len(name) > LONGEST_MAKER:
        raise Problem(_("Who made the translations needs a name of 1 to 200 characters."))
    return name


def put(store: sqlite3.Connection, path: str | Path, imported: Imported) -> int:
    """Put the rows of the file at `path` into `store`, but those left out; return how many."""
    sheet, imported.remarks = one_table(path)
    place = columns_of(sheet)
    count = 0

    def good() -> Iterator[Row]:
        nonlocal count
        for found in rows_of(sheet):
            count += 1
            row, problem = read(found, place)
            if problem := found.problem or problem or wrong_with(row):
                imported.leave_out(row, problem)
            else:
                yield row

    stores.keep(store, good())
    return count


def read(found: SheetRow, place: Mapping[str, str]) -> tuple[Row, Problem | None]:
    """Return a row of the file with its cells by our names, and whether it is damaged."""
    cells = {column: cleaned(found.cells.get(name, "")) for column, name in place.items()}
    told = {column: text.strip() for column, (text, _cut) in cells.items()}
    halves = sum(cut.halves for _text, cut in cells.values())
    row = Row(
        transcript=" ".join(told["transcript"].split()),
        language=normalise(told["language"]),
        line=found.line,
        turn=told.get("turn", ""),
        written=told["language"],
        text=told["text"],
    )
    return row, damaged(halves) if halves else None


def columns_of(sheet: Sheet) -> dict[str, str]:
    """Return what each column of ours is called in `sheet`; one that lacks is a Problem."""
    place: dict[str, str] = {}
    for column, headers in COLUMNS.items():
        if found := by_header(sheet.columns, headers, set(place.values())):
            place[column] = found[0]
    if missing := [column for column in NEEDED if column not in place]:
        raise Problem(
            _("“%(file)s” has no column “%(missing)s”; its columns should be: %(columns)s."),
            file=sheet.source.name,
            missing="”, “".join(missing),
            columns=", ".join(COLUMNS),
        )
    return place


def wrong_with(row: Row) -> Problem | None:
    """Return what is wrong with `row`, whatever the study holds."""
    if not row.transcript:
        return Problem(_("The row does not say of which interview it is."))
    if not row.language:
        return unknown(row.written)
    if not row.text:
        return Problem(_("It has no text."))
    if row.turn and not re.fullmatch(r"0*[1-9][0-9]{0,6}", row.turn):
        return Problem(_("“%(turn)s” is no number of a turn."), turn=row.turn[:60])
    return None


def grouped(store: sqlite3.Connection) -> Iterator[list[Row]]:
    """Yield the rows of one interview in one language after the other."""
    ordered = store.execute(
        "SELECT transcript, language, line, turn, written, text FROM rows "
        "ORDER BY transcript, language, line, rowid"
    )
    for _key, rows in groupby(map(Row._make, ordered), key=lambda row: row[:2]):
        yield list(rows)


def looked_up(study: Study, ids: set[str]) -> dict[str, Known]:
    """Return what `study` holds under `ids`, without the texts."""
    rows = study.transcripts.filter(external_id__in=ids)
    return {
        external_id: Known(pk, language, [turn[0] for turn in turns])
        for external_id, pk, language, turns in rows.values_list(
            "external_id", "pk", "language", "turns"
        )
    }


def take(
    rows: Sequence[Row], known: Known | None, maker: str, machine: bool, imported: Imported
) -> None:
    """Keep what `rows` say of one interview in one language, and count it."""
    words: dict[int, str] = {}
    taken: list[Row] = []
    for row in rows:
        try:
            start = start_of(row, known)
            if start in words:
                raise Problem(
                    _("The turn %(turn)s stands in an earlier row already."), turn=row.turn or 1
                )
        except Problem as problem:
            imported.leave_out(row, problem)
            continue
        words[start] = row.text
        taken.append(row)
    if not words or known is None:
        return
    language = rows[0].language
    with transaction.atomic():
        transcript = Transcript.objects.select_for_update().only("pk").get(pk=known.pk)
        there = Translation.objects.filter(transcript=transcript, language=language).first()
        if there and machine and not there.machine:
            reason = Problem(
                _("People have translated it already, and a machine’s translation stays behind it.")
            )
            for row in taken:
                imported.leave_out(row, reason)
            return
        same = there and (there.turns, there.maker, there.machine) == (
            as_kept(words),
            maker,
            machine,
        )
        if not same:
            keep(transcript, language, words, maker=maker, machine=machine)
    imported.unchanged += bool(same)
    imported.changed += bool(there and not same)
    imported.created += there is None
    imported.turns += len(words)
    imported.languages.add(language)


def start_of(row: Row, known: Known | None) -> int:
    """Return where the turn of `row` starts in its interview; a Problem says why there is none."""
    if known is None:
        raise Problem(
            _("The study has no interview “%(transcript)s”."),
            transcript=row.transcript[:LONGEST_ID],
        )
    if row.language == known.language:
        raise Problem(
            _("The interview itself is in this language (%(language)s)."), language=row.language
        )
    count = len(known.starts)
    if not row.turn:
        if count != 1:
            raise Problem(
                _("The interview has %(count)s turns: say of which one the text is."), count=count
            )
        return known.starts[0]
    if int(row.turn) > count:
        raise Problem(
            _("The interview “%(transcript)s” has no turn %(turn)s: it has %(count)s."),
            transcript=row.transcript[:LONGEST_ID],
            turn=int(row.turn),
            count=count,
        )
    return known.starts[int(row.turn) - 1]
