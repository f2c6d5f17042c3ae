"""Interviews out of files, one at a time; plain Python.

`parse` reads csv, tsv, xlsx and jsonl (a row an interview), txt, md, docx, vtt and srt (a file an
interview), and folders and zips of them. A text is kept as it is written, but for line ends, which
become LF, a byte order mark, which goes, and control characters, which no database can hold.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import documents, sheets
from .problems import Problem, _
from .sources import SHEETS, Refused, Source, nothing_in, printable, sources
from .turns import INTERVIEWER, PARTICIPANT, Turn, guess_roles

MOST_ID = 200  # characters
SHORT = 200  # characters up to which a column is an attribute rather than a text


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns to read, as a person wrote them; what is empty is found by its header.

    `text` may name several columns, each a question; `attributes` is None for all short columns.
    """

    id: str = ""
    text: str | Sequence[str] = ""
    language: str = ""
    attributes: str | Sequence[str] | None = None


@dataclass(slots=True)
class Record:
    """One interview as its file gives it.

    `turns` are given where the file itself says who speaks, else None. `answers` are the ranges of
    the answers by number, where each is a column of its own, else None. `notes` are remarks for
    the report; `share` is how much of all files has been read, from 0 to 1.
    """

    source: str
    row: int  # as a spreadsheet counts, the header being 1; 0 if the file is the interview
    line: int
    id: str
    text: str
    language: str = ""  # as written
    attributes: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] | None = None
    answers: list[tuple[int, int, int]] | None = None  # (number, start, end)
    notes: list[Problem] = field(default_factory=list)
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row or file from which no interview could be had, and why."""

    source: str
    row: int
    line: int
    id: str
    reason: Problem
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """A remark on a file as a whole."""

    source: str
    reason: Problem


Found = Record | LeftOut | Note


def parse(paths: Sequence[str | Path], columns: Columns | None = None) -> Iterator[Found]:
    """Return an iterator over the interviews in `paths`, and over what had to be left out.

    All headers are looked at before this returns: a file that was named and can't be read, or that
    lacks a column, is a Problem while nothing is read yet.
    """
    columns = columns or Columns()
    plans: list[_Plan] = []
    for found in sources(paths):
        if isinstance(found, Refused) or found.kind not in SHEETS:
            plans.append(_Plan(found))
        else:
            try:
                sheet = sheets.look(found)
                plans.append(_Plan(found, sheet, _choose(sheet, columns)))
            except (Problem, *_BROKEN) as error:
                problem = error if isinstance(error, Problem) else documents.damaged(found.name)
                if found.named:
                    raise problem from error
                plans.append(_Plan(Refused(found.name, problem)))
    if not any(isinstance(plan.source, Source) for plan in plans):
        refused = [plan.source for plan in plans if isinstance(plan.source, Refused)]
        raise nothing_in(str(paths[0]), refused)
    return _all(plans)


_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    UnicodeDecodeError,  # UTF-16 that ends in the middle of a character
)


@dataclass(frozen=True, slots=True)
class _Choice:
    id: str  # "" if ids are made up
    texts: list[str]
    language: str
    attributes: list[str] | None
    long: set[str]


@dataclass(frozen=True, slots=True)
class _Plan:
    source: Source | Refused
    sheet: sheets.Sheet | None = None
    choice: _Choice | None = None


def _all(plans: list[_Plan]) -> Iterator[Found]:
    total = sum(plan.source.size for plan in plans if isinstance(plan.source, Source)) or 1
    done = 0
    for plan in plans:
        source = plan.source
        if isinstance(source, Refused):
            yield LeftOut(source.name, 0, 0, "", source.reason, done / total)
            continue
        before = done
        done += source.size
        try:
            if plan.sheet and plan.choice:
                yield from _sheet(plan.sheet, plan.choice, before / total, source.size / total)
            else:
                yield from _document(source, done / total)
        except Problem as problem:
            yield LeftOut(source.name, 0, 0, "", problem, done / total)
        except _BROKEN:
            yield LeftOut(source.name, 0, 0, "", documents.damaged(source.name), done / total)


def _sheet(sheet: sheets.Sheet, choice: _Choice, before: float, weight: float) -> Iterator[Found]:
    source = sheet.source
    if note := _encoding_note(source.name, sheet.encoding):
        yield note
    many = len(choice.texts) > 1
    for row in sheet.rows():
        share = before + weight * row.share
        if row.problem:
            yield LeftOut(source.name, row.number, row.line, "", row.problem, share)
            continue
        cells = row.cells
        if choice.id:
            identity, cut = _cleaned(cells.get(choice.id, ""))
            identity = " ".join(identity.split())
        else:
            identity, cut = f"{source.id}-{row.number - 1}", _Cut()
        record = Record(source.name, row.number, row.line, identity, "", share=share)
        if many:
            cut += _questions(record, choice.texts, cells)
        elif talk := row.talks.get(choice.texts[0]):
            cut += _talk(record, talk)
        else:
            record.text, lost = _cleaned(cells.get(choice.texts[0], ""))
            cut += lost
        record.language = cells.get(choice.language, "").strip() if choice.language else ""
        record.attributes, lost = _attributes(cells, choice)
        yield _checked(record, cut + lost)


def _document(source: Source, share: float) -> Iterator[Found]:
    document = documents.read(source)
    if note := _encoding_note(source.name, document.encoding):
        yield note
    record = Record(source.name, 0, 0, " ".join(source.id.split()), "", share=share)
    if document.talk is None:
        record.text, cut = _cleaned(document.text)
    elif any(speaker for speaker, _words in document.talk):
        cut = _talk(record, document.talk)
    else:
        record.text, cut = _cleaned("\n".join(words for _speaker, words in document.talk))
    yield _checked(record, cut)


@dataclass(frozen=True, slots=True)
class _Cut:
    """What could not be kept of a text: control characters, and halves of characters."""

    controls: int = 0
    halves: int = 0

    def __add__(self, other: "_Cut") -> "_Cut":
        return _Cut(self.controls + other.controls, self.halves + other.halves)


_UNKEPT = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")
_BREAKS = str.maketrans({"\x0b": "\n", "\x0c": "\n"})


def _cleaned(text: str) -> tuple[str, _Cut]:
    """Return `text` with LF line ends and nothing that can't be stored, and what that cost.

    >>> _cleaned("\ufeffone\\r\\ntwo\\x0bthree\\x00")
    ('one\\ntwo\\nthree', _Cut(controls=2, halves=0))
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.removeprefix("\ufeff")
    unkept = _UNKEPT.findall(text)
    if not unkept:
        return text, _Cut()
    halves = sum(character >= "\ud800" for character in unkept)
    return _UNKEPT.sub("", text.translate(_BREAKS)), _Cut(len(unkept) - halves, halves)


def _checked(record: Record, cut: _Cut) -> Record | LeftOut:
    """Return `record`, unless its id or text can't be used."""
    reason = None
    if cut.halves:
        reason = Problem(
            _(
                "It holds damaged characters (%(count)s): save the file as UTF-8 from where it "
                "was made."
            ),
            count=cut.halves,
        )
    elif not record.id:
        reason = Problem(_("It has no id."))
    elif len(record.id) > MOST_ID:
        reason = Problem(
            _("Its id has %(length)s characters; at most %(most)s can be kept."),
            length=len(record.id),
            most=MOST_ID,
        )
    elif not record.text.strip():
        reason = Problem(_("It has no text."))
    if reason:
        return LeftOut(
            record.source, record.row, record.line, record.id[:MOST_ID], reason, record.share
        )
    if cut.controls:
        record.notes.append(
            Problem(_("Control characters were taken out: %(count)s."), count=cut.controls)
        )
    return record


def _questions(record: Record, columns: Sequence[str], cells: dict[str, str]) -> _Cut:
    """Write the columns into `record` as a talk: the header asks, the cell answers."""
    parts: list[str] = []
    record.turns, record.answers = [], []
    length, cut = 0, _Cut()
    for number, column in enumerate(columns, 1):
        words, lost = _cleaned(cells.get(column, ""))
        cut += lost
        words = words.strip()
        if not words:
            continue
        if parts:
            parts.append("\n\n")
            length += 2
        parts += [column, "\n", words]
        start = length + len(column) + 1
        record.turns.append(Turn(length, start - 1, "", INTERVIEWER))
        length = start + len(words)
        record.turns.append(Turn(start, length, "", PARTICIPANT))
        record.answers.append((number, start, length))
    record.text = "".join(parts)
    return cut


def _talk(record: Record, talk: Sequence[tuple[str, str]]) -> _Cut:
    """Write a talk with named speakers into `record`, a paragraph a turn."""
    parts: list[str] = []
    said: list[Turn] = []
    length, cut = 0, _Cut()
    for speaker, spoken in talk:
        words, lost = _cleaned(spoken)
        cut += lost
        words, speaker = words.strip(), _cleaned(speaker)[0]
        if not words:
            continue
        label = f"{speaker}: " if speaker else ""
        if parts:
            parts.append("\n\n")
            length += 2
        parts += [label, words]
        start = length + len(label)
        length = start + len(words)
        said.append(Turn(start, length, speaker, ""))
    record.text = "".join(parts)
    record.turns = guess_roles(record.text, said)
    return cut


def _attributes(cells: dict[str, str], choice: _Choice) -> tuple[dict[str, str], _Cut]:
    kept: dict[str, str] = {}
    cut = _Cut()
    if choice.attributes is not None:
        names = choice.attributes
    else:
        used = {choice.id, choice.language, *choice.texts}
        for name, cell in cells.items():
            if len(cell) > SHORT and name not in used:
                choice.long.add(name)
        names = [name for name in cells if name not in used and name not in choice.long]
    for name in names:
        value, lost = _cleaned(cells.get(name, ""))
        cut += lost
        if value := value.strip():
            kept[name] = value
    return kept, cut


def _encoding_note(name: str, encoding: str) -> Note | None:
    if encoding.startswith(("utf-8", "utf-16", "utf-32")):
        return None
    reason = Problem(
        _(
            "It was read as %(encoding)s, judging by its letters; "
            "if they look wrong, save the file as UTF-8 and import it again."
        ),
        encoding=encoding,
    )
    return Note(name, reason)


_IDS = [
    "transcript_id",
    "interview_id",
    "id",
    "external_id",
    "document_id",
    "case_id",
    "record_id",
    "response_id",
    "responseid",
    "participant_id",
    "respondent_id",
    "participantid",
    "uuid",
    "guid",
    "transcript",
    "interview",
    "document",
    "case",
    "participant",
    "respondent",
    "interviewee",
    "name",
    "participant_name",
    "filename",
    "file",
]
_TEXTS = [
    "text",
    "transcript_text",
    "interview_text",
    "transcript",
    "interview",
    "content",
    "body",
    "answer",
    "answers",
    "response",
    "verbatim",
    "conversation",
    "messages",
    "turns",
    "dialogue",
    "dialog",
    "texte",
    "texto",
    "testo",
    "tekst",
    "текст",
    "metin",
    "النص",
    "نص",
    "文本",
    "内容",
    "內容",
    "本文",
    "पाठ",
    "maandishi",
]
_LANGUAGES = [
    "language",
    "lang",
    "language_code",
    "locale",
    "idioma",
    "langue",
    "lingua",
    "sprache",
    "taal",
    "język",
    "язык",
    "dil",
    "اللغة",
    "لغة",
    "语言",
    "語言",
    "言語",
    "भाषा",
    "lugha",
]


def _choose(sheet: sheets.Sheet, columns: Columns) -> _Choice:
    """Return which of the sheet's columns are read; a Problem names those it has."""
    taken: set[str] = set()
    texts = _named(sheet, columns.text)
    identity = _named(sheet, [columns.id] if columns.id else "")
    language = _named(sheet, [columns.language] if columns.language else "")
    attributes = None if columns.attributes is None else _named(sheet, columns.attributes)
    taken.update(texts, identity, language)
    texts = texts or _by_header(sheet, _TEXTS, taken)
    if not texts:
        raise Problem(
            _(
                "“%(file)s” has no column that looks like the interviews’ text: "
                "name it with --text-column; the columns are %(columns)s."
            ),
            file=sheet.source.name,
            columns=_listed(sheet),
        )
    taken.update(texts)
    identity = identity or _by_header(sheet, _IDS, taken)
    taken.update(identity)
    language = language or _by_header(sheet, _LANGUAGES, taken)
    long = {name for row in sheet.first for name, cell in row.cells.items() if len(cell) > SHORT}
    return _Choice("".join(identity), texts, "".join(language), attributes, long)


def _by_header(sheet: sheets.Sheet, headers: Sequence[str], taken: set[str]) -> list[str]:
    plain = {
        re.sub(r"[\W_]+", "_", column.casefold()).strip("_"): column
        for column in reversed(sheet.columns)
        if column not in taken
    }
    return next(([plain[header]] for header in headers if header in plain), [])


def _named(sheet: sheets.Sheet, wanted: str | Sequence[str]) -> list[str]:
    """Return the columns that `wanted` names; in a string they stand between commas.

    A header may hold commas itself, so that the longest run that is a header counts.
    """
    if not wanted:
        return []
    exact = {column: column for column in sheet.columns}
    folded = {column.casefold(): column for column in reversed(sheet.columns)}

    def find(name: str) -> str | None:
        name = " ".join(name.split())
        return exact.get(name) or folded.get(name.casefold())

    parts = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    found: list[str] = []
    while parts:
        for count in range(len(parts) if isinstance(wanted, str) else 1, 0, -1):
            if column := find(",".join(parts[:count])):
                found.append(column)
                parts = parts[count:]
                break
        else:
            if isinstance(wanted, str) and not parts[0].strip():
                parts = parts[1:]
                continue
            raise Problem(
                _("“%(file)s” has no column “%(column)s”; its columns are %(columns)s."),
                file=sheet.source.name,
                column=parts[0].strip(),
                columns=_listed(sheet),
            )
    return list(dict.fromkeys(found))


def _listed(sheet: sheets.Sheet) -> str:
    shown = [printable(column[:60]) for column in sheet.columns[:30] if column]
    return ", ".join(shown) + (" …" if len(sheet.columns) > len(shown) else "")
