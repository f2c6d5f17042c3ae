"""Interviews out of files, one at a time; plain Python.

`parse` reads csv, tsv, xlsx and jsonl (a row an interview), txt, md, docx, vtt and srt (a file an
interview), qdpx (a project, each text an interview), and folders and zips of them. A text is kept
as it is written, but for line ends, which become LF, a byte order mark, which goes, and control
characters, which no database can hold.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from . import documents, projects, sheets
from .cleaning import Cut, cleaned, damaged
from .problems import Problem, _
from .sources import (
    DOCUMENTS,
    PROJECTS,
    SHEETS,
    Named,
    Refused,
    Source,
    called,
    nothing_in,
    printable,
    sources,
)
from .turns import INTERVIEWER, PARTICIPANT, Turn, guess_roles

MOST_ID = 200  # characters
SHORT = 200  # characters up to which a column is an attribute rather than a text


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns to read, as a person wrote them; what is empty is found by its header.

    `text` may name several columns, each a question; `attributes` is None for all short columns.
    If `exact`, what is empty is not read at all, and a table may lack columns that others have.
    """

    id: str = ""
    text: str | Sequence[str] = ""
    language: str = ""
    attributes: str | Sequence[str] | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """What the columns of a file with a row an interview are taken for.

    `texts` is empty where no column looks like the interviews' text; `id` where ids are made up.
    `examples` has the first words in each column; `named` says whether a person named the file.
    """

    name: str
    named: bool
    columns: list[str]
    id: str
    texts: list[str]
    language: str
    attributes: list[str]
    examples: dict[str, str]


@dataclass(slots=True)
class Record:
    """One interview as its file gives it.

    `turns` are given where the file itself says who speaks, else None. `answers` are the ranges of
    the answers by number, where each is a column of its own, else None. `participant` is who was
    interviewed, where the file says so, else "". `notes` are remarks for the report; `share` is how
    much of all files has been read, from 0 to 1.
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
    participant: str = ""


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


def parse(
    paths: Sequence[Named], columns: Columns | None = None, after: int = 0
) -> Iterator[Found]:
    """Return an iterator over the interviews in `paths`, and over what had to be left out.

    All headers are looked at before this returns: a file that was named and can't be read, or that
    lacks a column, is a Problem while nothing is read yet. The first `after` interviews and rows
    left out, with the remarks on their files, are passed over.
    """
    columns = columns or Columns()
    plans: list[_Plan] = []
    for found in sources(paths):
        if isinstance(found, Refused) or found.kind in DOCUMENTS:
            plans.append(_Plan(found))
            continue
        try:
            if found.kind in PROJECTS:
                plans.append(_Plan(found, choice=_variables(found, columns)))
            else:
                sheet = _look(found)
                plans.append(_Plan(found, sheet, _choose(sheet, columns)))
        except Problem as problem:
            if found.named:
                raise
            plans.append(_Plan(Refused(found.name, problem)))
    if not any(isinstance(plan.source, Source) for plan in plans):
        refused = [plan.source for plan in plans if isinstance(plan.source, Refused)]
        raise nothing_in(called(paths[0]), refused)
    return _all(plans, after)


def tables(paths: Sequence[Named], columns: Columns | None = None) -> list[Table]:
    """Return the tables in `paths` and what their columns would be taken for.

    A file that was named and can't be read is a Problem; one found in a folder or zip is not here.
    """
    columns = columns or Columns()
    found = []
    for source in sources(paths):
        if isinstance(source, Refused) or source.kind not in SHEETS:
            continue
        try:
            sheet = _look(source)
            choice = _choice(sheet, columns)
        except Problem:
            if source.named:
                raise
            continue
        attributes = choice.attributes
        if attributes is None:
            used = {choice.id, choice.language, *choice.texts, *choice.long}
            attributes = [name for name in sheet.columns if name not in used]
        # From the last row to the first, whose cell is kept.
        cells = [(name, cell) for row in reversed(sheet.first) for name, cell in row.cells.items()]
        examples = {name: cleaned(cell[:SHORT])[0] for name, cell in cells if cell.strip()}
        found.append(
            Table(
                source.name,
                source.named,
                sheet.columns,
                choice.id,
                choice.texts,
                choice.language,
                attributes,
                examples,
            )
        )
    return found


def one_table(path: Named) -> tuple[sheets.Sheet, list[Problem]]:
    """Return the table that the file at `path` is, with remarks on how it was read."""
    found = sources([path])
    source = found[0]
    if len(found) > 1 or isinstance(source, Refused) or source.kind not in SHEETS:
        raise Problem(
            _("“%(file)s” is no table: give one file of these kinds: %(kinds)s."),
            file=printable(source.name),
            kinds="csv, jsonl, tsv, xlsx",
        )
    sheet = _look(source)
    note = _encoding_note(source.name, sheet.encoding)
    return sheet, [note.reason] if note else []


def rows_of(sheet: sheets.Sheet) -> Iterator[sheets.Row]:
    """Yield the rows of `sheet`; one that breaks off in the middle is a Problem."""
    try:
        yield from sheet.rows()
    except _BROKEN as error:
        raise documents.damaged(sheet.source.name) from error


def _look(source: Source) -> sheets.Sheet:
    """Return the sheet in `source`; whatever is wrong with it is a Problem."""
    try:
        return sheets.look(source)
    except _BROKEN as error:
        raise documents.damaged(source.name) from error


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


def _all(plans: list[_Plan], after: int) -> Iterator[Found]:
    total = sum(plan.source.size for plan in plans if isinstance(plan.source, Source)) or 1
    done = 0
    for plan in plans:
        source = plan.source
        before = done
        done += source.size if isinstance(source, Source) else 0
        if after and not plan.choice:  # one interview, or none: it is passed over unread
            after -= 1
            continue
        for found in _of(plan, before, total):
            if not after:
                yield found
            elif not isinstance(found, Note):
                after -= 1


def _of(plan: _Plan, before: int, total: int) -> Iterator[Found]:
    """Yield what is in one file, of which the first byte is number `before` of `total`."""
    source = plan.source
    if isinstance(source, Refused):
        yield LeftOut(source.name, 0, 0, "", source.reason, before / total)
        return
    share = (before + source.size) / total
    try:
        if plan.sheet and plan.choice:
            yield from _sheet(plan.sheet, plan.choice, before / total, source.size / total)
        elif plan.choice:
            yield from _project(source, plan.choice, before / total, source.size / total)
        else:
            yield from _document(source, share)
    except Problem as problem:
        yield LeftOut(source.name, 0, 0, "", problem, share)
    except _BROKEN:
        yield LeftOut(source.name, 0, 0, "", documents.damaged(source.name), share)


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
            identity, cut = cleaned(cells.get(choice.id, ""))
            identity = " ".join(identity.split())
        else:
            identity, cut = f"{source.id}-{row.number - 1}", Cut()
        record = Record(source.name, row.number, row.line, identity, "", share=share)
        if many:
            cut += _questions(record, choice.texts, cells)
        elif talk := row.talks.get(choice.texts[0]):
            cut += _talk(record, talk)
        else:
            record.text, lost = cleaned(cells.get(choice.texts[0], ""))
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
        record.text, cut = cleaned(document.text)
    elif any(speaker for speaker, _words in document.talk):
        cut = _talk(record, document.talk)
    else:
        record.text, cut = cleaned("\n".join(words for _speaker, words in document.talk))
    yield _checked(record, cut)


def _project(source: Source, choice: _Choice, before: float, weight: float) -> Iterator[Found]:
    with projects.opened(source.name, source.open()) as project:
        for text in project.texts():
            share = before + weight * text.number / project.total
            name = f"{source.name}/{printable(text.id)}"
            record = Record(name, 0, text.line, text.id, "", share=share)
            if isinstance(text, projects.Unread):
                yield LeftOut(name, 0, text.line, text.id[:MOST_ID], text.reason, share)
                continue
            try:
                raw = project.raw(text)
            except Problem as problem:
                yield LeftOut(name, 0, text.line, text.id[:MOST_ID], problem, share)
                continue
            if note := _encoding_note(name, raw.encoding):
                yield note
            record.text, cut = cleaned(raw.text)
            known = text.values | text.own
            if choice.id:
                record.id = " ".join(known.get(choice.id, "").split())
            record.language = known.get(choice.language, "") if choice.language else ""
            record.attributes, lost = _attributes(text.values, choice)
            record.participant = text.case if len(text.case) <= MOST_ID else ""
            yield _checked(record, cut + lost)
        for reason in _untaken(project, choice):
            yield Note(source.name, reason)


def _untaken(project: projects.Project, choice: _Choice) -> Iterator[Problem]:
    """Yield what of a project is not in the interviews, as its standard asks of who reads it."""
    if project.coded_by:
        people = {
            user.name: project.coded_by[guid]
            for guid, user in project.users.items()
            if project.coded_by[guid]
        }
        yield Problem(
            _("Its codings (%(count)s) are taken in with import_codings; they are by: %(people)s."),
            count=project.coded_by.total(),
            people=projects.listed(people.items()) or "–",
        )
    if cases := project.untied():
        yield Problem(
            _("Cases that name none of its texts: %(count)s; what they say was not taken."),
            count=cases,
        )
    if contrary := {name: n for name, n in project.contrary.items() if name != choice.language}:
        yield Problem(
            _("Where texts or cases of one person differ, it was not taken: %(variables)s."),
            variables=projects.listed(contrary.items()),
        )
    if project.untaken:
        yield Problem(
            _("It also holds what has no place in a study, and was not taken: %(parts)s."),
            parts=projects.listed(sorted(project.untaken.items())),
        )


def _checked(record: Record, cut: Cut) -> Record | LeftOut:
    """Return `record`, unless its id or text can't be used."""
    reason = None
    if cut.halves:
        reason = damaged(cut.halves)
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


def _questions(record: Record, columns: Sequence[str], cells: dict[str, str]) -> Cut:
    """Write the columns into `record` as a talk: the header asks, the cell answers."""
    parts: list[str] = []
    record.turns, record.answers = [], []
    length, cut = 0, Cut()
    for number, column in enumerate(columns, 1):
        words, lost = cleaned(cells.get(column, ""))
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


def _talk(record: Record, talk: Sequence[tuple[str, str]]) -> Cut:
    """Write a talk with named speakers into `record`, a paragraph a turn."""
    parts: list[str] = []
    said: list[Turn] = []
    length, cut = 0, Cut()
    for speaker, spoken in talk:
        words, lost = cleaned(spoken)
        cut += lost
        words, speaker = words.strip(), cleaned(speaker)[0]
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


def _attributes(cells: dict[str, str], choice: _Choice) -> tuple[dict[str, str], Cut]:
    kept: dict[str, str] = {}
    cut = Cut()
    if choice.attributes is not None:
        names = choice.attributes
    else:
        used = {choice.id, choice.language, *choice.texts}
        for name, cell in cells.items():
            if len(cell) > SHORT and name not in used:
                choice.long.add(name)
        names = [name for name in cells if name not in used and name not in choice.long]
    for name in names:
        value, lost = cleaned(cells.get(name, ""))
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
    choice = _choice(sheet, columns)
    if not choice.texts:
        raise Problem(
            _(
                "“%(file)s” has no column that looks like the interviews’ text: say which it is "
                "(in a command, --text-column); the columns are %(columns)s."
            ),
            file=sheet.source.name,
            columns=_listed(sheet.columns),
        )
    return choice


def _choice(sheet: sheets.Sheet, columns: Columns) -> _Choice:
    """Return which of the sheet's columns would be read, whether or not that is enough."""
    find = _there if columns.exact else _named
    name, there = sheet.source.name, sheet.columns
    taken: set[str] = set()
    texts = find(name, there, columns.text)
    identity = find(name, there, [columns.id] if columns.id else "")
    language = find(name, there, [columns.language] if columns.language else "")
    attributes = None if columns.attributes is None else find(name, there, columns.attributes)
    if not columns.exact:
        taken.update(texts, identity, language)
        texts = texts or by_header(there, _TEXTS, taken)
        taken.update(texts)
        identity = identity or by_header(there, _IDS, taken)
        taken.update(identity)
        language = language or by_header(there, _LANGUAGES, taken)
    long = {name for row in sheet.first for name, cell in row.cells.items() if len(cell) > SHORT}
    return _Choice("".join(identity), texts, "".join(language), attributes, long)


def _variables(source: Source, columns: Columns) -> _Choice:
    """Return which of a project's variables are read; its texts are no variables."""
    find = _there if columns.exact else _named
    try:
        with projects.opened(source.name, source.open()) as project:
            name, there = project.name, list(project.variables.values())
            find(name, [], columns.text)
            identity = find(name, there, [columns.id] if columns.id else "")
            language = find(name, there, [columns.language] if columns.language else "")
            attributes = None
            if columns.attributes is not None:
                attributes = find(name, there, columns.attributes)
    except _BROKEN as error:
        raise documents.damaged(source.name) from error
    if not columns.exact:
        taken = {*identity, *(attributes or ())}
        language = language or by_header(there, _LANGUAGES, taken)
    return _Choice("".join(identity), [], "".join(language), attributes, set())


def by_header(columns: Sequence[str], headers: Sequence[str], taken: set[str]) -> list[str]:
    """Return the one of `columns`, not `taken`, that the first of `headers` found there names."""
    plain = {
        re.sub(r"[\W_]+", "_", column.casefold()).strip("_"): column
        for column in reversed(columns)
        if column not in taken
    }
    return next(([plain[header]] for header in headers if header in plain), [])


def _there(file: str, columns: Sequence[str], wanted: str | Sequence[str]) -> list[str]:
    """Return those of the columns `wanted` that are there, whatever the file."""
    named = [wanted] if isinstance(wanted, str) else wanted
    return [column for column in named if column in columns]


def _named(file: str, columns: Sequence[str], wanted: str | Sequence[str]) -> list[str]:
    """Return those of `columns` that `wanted` names; in a string they stand between commas.

    A header may hold commas itself, so that the longest run that is a header counts.
    """
    if not wanted:
        return []
    exact = {column: column for column in columns}
    folded = {column.casefold(): column for column in reversed(columns)}

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
                file=file,
                column=parts[0].strip(),
                columns=_listed(columns) or "–",
            )
    return list(dict.fromkeys(found))


def _listed(columns: Sequence[str]) -> str:
    shown = [printable(column[:60]) for column in columns[:30] if column]
    return ", ".join(shown) + (" …" if len(columns) > len(shown) else "")
