"""Projects of programs for qualitative analysis (REFI-QDA, `.qdpx`); plain Python.

A project is a zip of one XML file and of texts. Nothing is unpacked, and what the XML names is
looked for by its last part among the zip's own files and nowhere else. The XML is read as a
stream: once for what stands around the sources, then for the sources one at a time.
"""

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, NamedTuple

from .documents import MOST_BYTES, MOST_RATIO, damaged, decoded
from .markup import Element, NoXML, children, done_with, elements, guid_in, local, text_in
from .offsets import Raw
from .problems import Problem, _
from .sources import MOST_FILES, SMALL

MOST_XML = 4 << 30  # bytes of the XML of a project: 80,000 interviews that ten coders coded
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
VALUES = ("Text", "Boolean", "Integer", "Float", "Date", "DateTime")
# What stands at the top of a project and has no place in a study.
UNTAKEN = ("Notes", "Links", "Sets", "Graphs")


class User(NamedTuple):
    """Somebody who worked on the project: their name, and what a program calls them beside it."""

    name: str
    id: str


class Given(NamedTuple):
    """A code that somebody gave to a passage or to a whole text; GUIDs."""

    code: str
    user: str
    line: int


class Passage(NamedTuple):
    """A selection in a text, its positions as the file counts them."""

    start: int
    end: int
    name: str
    description: str
    given: tuple[Given, ...]


@dataclass(slots=True)
class Text:
    """A text of the project with all that hangs on it; `id` is its name, and no other's.

    `case` is the name of the one case that it belongs to, "" where there are none or several.
    `values` are known of the person by names of variables, `own` of this text alone.
    """

    id: str
    guid: str
    line: int
    file: str  # its name in the zip, by the last part; "" where the text stands in the XML
    inside: str | None
    elsewhere: bool  # it names a file outside the zip
    description: str
    passages: list[Passage]
    given: list[Given]
    case: str = ""
    values: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    number: int = 0


@dataclass(slots=True)
class Case:
    """Who or what was asked, and the texts or selections in which it was."""

    name: str
    values: dict[str, str]
    sources: tuple[str, ...]
    selections: tuple[str, ...]
    texts: int = 0


@dataclass(slots=True)
class Unread:
    """A source without a text that can be read."""

    id: str
    line: int
    reason: Problem
    number: int = 0


class Project:
    """An open project; what stands around its sources is known, they themselves are read anew.

    Without `sources` only what stands before them is read.
    """

    def __init__(self, name: str, archive: zipfile.ZipFile, *, sources: bool = True) -> None:
        self.name = name
        self.archive = archive
        self.members = _members(archive)
        self.xml = _xml(name, self.members)
        self.origin = ""
        self.creator = ""
        self.users: dict[str, User] = {}
        self.codes: dict[str, tuple[str, ...]] = {}  # GUID -> names from the top
        self.variables: dict[str, str] = {}
        self.cases: list[Case] = []
        self.untaken: Counter[str] = Counter()
        self.coded_by: Counter[str] = Counter()  # codings of texts, by the GUID of who gave them
        self.names: list[str] = []  # of the texts, in order
        self.total = 0
        self.contrary: Counter[str] = Counter()  # variables in which texts of a person differ
        self._paths: set[str] = set()
        self._of_films: list[str] = []  # the file of each text that is of a film or of sound
        self._tied: dict[str, list[int]] = {}  # source or selection -> its cases
        self._look(sources)

    # -- what stands around the sources

    def _look(self, sources: bool) -> None:
        for part, element in self._parts():
            if part == "Sources" and not sources:
                return
            match part:
                case "Project":
                    self.origin = element.get("origin") or ""
                    self.creator = guid_in(element.get("creatingUserGUID"))
                case "Users":
                    name = " ".join((element.get("name") or element.get("id") or "").split())
                    user = User(name or f"user {len(self.users) + 1}", element.get("id") or "")
                    self.users[guid_in(element.get("guid"))] = user
                case "CodeBook":
                    self.codes.update(_paths_in(element))
                case "Variables":
                    name = " ".join((element.get("name") or "").split())
                    self.variables[guid_in(element.get("guid"))] = name
                case "Cases":
                    self._case(element)
                case "Sources":
                    self._count(element)
                case _ if part in UNTAKEN:
                    self.untaken[part] += 1
        self._tell_apart()

    def _case(self, element: Element) -> None:
        targets = {
            name: tuple(guid_in(one.get("targetGUID")) for one in children(element, name))
            for name in ("SourceRef", "SelectionRef")
        }
        name = " ".join((element.get("name") or "").split())
        values = self._values(element)
        case = Case(name, values, targets["SourceRef"], targets["SelectionRef"])
        for guid in (*case.sources, *case.selections):
            self._tied.setdefault(guid, []).append(len(self.cases))
        self.cases.append(case)

    def _count(self, element: Element) -> None:
        self.total += 1
        codings = sum(1 for _one in element.iter("{*}Coding"))
        for name, text in _texts_in(element):
            path = _last(text.get("plainTextPath"))
            if local(element) == "TextSource":
                self._paths.add(path)
            self.names.append(" ".join(name.split()) or guid_in(text.get("guid")))
            self._of_films.append(path if local(text) == "Transcript" else "")
            for given in _all_given(text, self.creator):
                self.coded_by[given.user] += 1
                codings -= 1
            for case in self._cases_of(text):
                case.texts += 1
        if codings:
            self.untaken[f"{local(element)}/Coding"] += codings

    def _tell_apart(self) -> None:
        """Give every text a name of its own, and take names from cases that share one."""
        seen: set[str] = set()
        for number, name in enumerate(self.names):
            if self._of_films[number] in self._paths - {""}:
                continue
            alone, again = name or f"text {number + 1}", 1
            while alone in seen:
                again += 1
                alone = f"{name} ({again})"
            seen.add(alone)
            self.names[number] = alone
        often = Counter(case.name for case in self.cases)
        for case in self.cases:
            if often[case.name] > 1:
                case.name = ""
        named = Counter(user.name for user in self.users.values())
        for guid, user in self.users.items():
            if named[user.name] > 1:
                self.users[guid] = user._replace(name=f"{user.name} ({guid[:8]})")

    def _cases_of(self, text: Element) -> list[Case]:
        """Return the cases that name the text, or a selection in it."""
        of = text.getparent()  # the film or the PDF that the text is of
        named = [text, of, *children(text, "PlainTextSelection", "TranscriptSelection")]
        guids = {guid_in(one.get("guid")) for one in named if one is not None} - {""}
        numbers = {number for guid in guids for number in self._tied.get(guid, ())}
        return [self.cases[number] for number in sorted(numbers)]

    def untied(self) -> int:
        """Return how many cases with values name none of the texts."""
        return sum(1 for case in self.cases if case.values and not case.texts)

    def _values(self, element: Element) -> dict[str, str]:
        """Return the values at `element` by the names of their variables."""
        found: dict[str, str] = {}
        for value in children(element, "VariableValue"):
            refs = children(value, "VariableRef")
            name = self.variables.get(guid_in(refs[0].get("targetGUID"))) if refs else None
            kinds = children(value, *(f"{kind}Value" for kind in VALUES))
            said = "".join(kinds[0].itertext()).strip() if kinds else ""
            if name and said:
                found.setdefault(name, said)
        return found

    # -- the sources

    def texts(self) -> Iterator[Text | Unread]:
        """Yield the texts of the project in its order, and the sources that have none."""
        names = iter(zip(self.names, self._of_films, strict=True))
        number = 0
        for part, element in self._parts():
            if part != "Sources":
                continue
            number += 1
            sources = [source for _name, source in _texts_in(element)]
            for source in sources:
                name, file = next(names)
                if file and file in self._paths:
                    continue  # the same text is a source of its own
                text = _text(name, source, self.creator)
                text.number = number
                self._know(text, source)
                yield text
            if not sources:
                name = " ".join((element.get("name") or "").split()) or f"source {number}"
                reason = Problem(
                    _("It holds no text (%(kind)s), and only texts can be read."),
                    kind=local(element),
                )
                yield Unread(name, element.sourceline or 0, reason, number)

    def _know(self, text: Text, element: Element) -> None:
        """Write into `text` who it is of and what is known of them.

        Where a case has several texts, only what the case says is true of the person in all.
        """
        cases = self._cases_of(element)
        text.own = self._values(element)
        if len(cases) == 1:
            text.case = cases[0].name
        merged: dict[str, str] = {}
        contrary: set[str] = set()
        for case in cases:
            for name, value in case.values.items():
                if merged.setdefault(name, value) != value:
                    contrary.add(name)
        if text.case and cases[0].texts > 1:
            self.contrary.update(
                name for name, value in text.own.items() if merged.get(name) != value
            )
            text.values = merged
            return
        contrary -= text.own.keys()
        self.contrary.update(contrary)
        text.values = {
            name: value for name, value in (merged | text.own).items() if name not in contrary
        }

    def raw(self, text: Text) -> Raw:
        """Return the text itself; a Problem says why it can't be had."""
        member = self.members.get(text.file) if text.file else None
        if member is None and text.inside is not None:
            return Raw(text.inside)
        if text.elsewhere:
            raise Problem(
                _("Its text lies in a file outside the project: export the project with its files.")
            )
        if member is None:
            raise Problem(_("Its text is not in the project: export it anew with its texts."))
        if member.file_size > MOST_BYTES or _is_bomb(member):
            raise Problem(
                _("“%(file)s” is larger than %(megabytes)s MB, which no single interview is."),
                file=text.file,
                megabytes=MOST_BYTES >> 20,
            )
        try:
            data = self.archive.read(member)
        except (*_BROKEN, RuntimeError) as error:  # the last: it is locked
            raise damaged(text.file) from error
        words, encoding = decoded(text.file, data)
        return Raw(words, encoding in ("utf-8-sig", "utf-16", "utf-32"), encoding)

    def codebook(self) -> Element:
        """Return the element Codes of the project's codebook."""
        for part, element in self._parts():
            if part == "CodeBook":
                return element
        raise Problem(_("“%(file)s” holds no codebook."), file=self.name)

    def _parts(self) -> Iterator[tuple[str, Element]]:
        """Yield the project, begun, and each member of its lists with the list's name.

        A member is whole until the next one is asked for.
        """
        depth, part = 0, ""
        try:
            for event, element in elements(self.name, lambda: self.archive.open(self.xml)):
                if event == "end":
                    depth -= 1
                    if depth == 2:
                        yield part, element
                    if depth in (1, 2):
                        done_with(element)
                    continue
                depth += 1
                if depth == 1:
                    if local(element) != "Project":
                        raise damaged(self.name)
                    yield "Project", element
                elif depth == 2:
                    part = local(element)
        except NoXML as error:
            raise Problem(
                _("“%(file)s” holds no XML that can be read: line %(line)s, %(error)s."),
                file=self.name,
                line=error.line,
                error=error.why,
            ) from error


@contextmanager
def opened(name: str, file: IO[bytes], *, sources: bool = True) -> Iterator[Project]:
    """Give the project in `file`, which is called `name`, while the block runs."""
    with file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield Project(name, archive, sources=sources)
        except _BROKEN as error:
            raise damaged(name) from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files of the zip by the last part of their names, in small letters."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > MOST_FILES:
        raise damaged(archive.filename or "")
    return {_last(member.filename): member for member in members}


def _xml(name: str, members: dict[str, zipfile.ZipInfo]) -> zipfile.ZipInfo:
    found = [member for last, member in members.items() if last.endswith(".qde")]
    if len(found) != 1:
        raise Problem(
            _(
                "“%(file)s” is no project in the REFI-QDA form: it holds %(count)s files that end "
                "in .qde, and needs one."
            ),
            file=name,
            count=len(found),
        )
    if found[0].flag_bits & 1:
        raise Problem(_("“%(file)s” is locked with a password: unpack the zip first."), file=name)
    if found[0].file_size > MOST_XML or _is_bomb(found[0]):
        raise Problem(
            _("“%(file)s” would unpack to %(megabytes)s MB, which no project is."),
            file=name,
            megabytes=found[0].file_size >> 20,
        )
    return found[0]


def _is_bomb(member: zipfile.ZipInfo) -> bool:
    return member.file_size > SMALL and member.file_size > MOST_RATIO * max(member.compress_size, 1)


def _last(path: str | None) -> str:
    """Return the last part of a path or address, in small letters.

    >>> _last("internal://0D62.TXT"), _last("Sources/a.txt"), _last(None)
    ('0d62.txt', 'a.txt', '')
    """
    return PurePosixPath((path or "").replace("\\", "/")).name.lower()


def _texts_in(source: Element) -> Iterator[tuple[str, Element]]:
    """Yield the elements that hold the texts of a source, each with its name."""
    name = source.get("name") or ""
    match local(source):
        case "TextSource":
            yield name, source
        case "PDFSource":
            for text in children(source, "Representation"):
                yield name or text.get("name") or "", text
        case "AudioSource" | "VideoSource":
            for text in children(source, "Transcript"):
                yield text.get("name") or name, text


def _text(name: str, element: Element, creator: str) -> Text:
    path = element.get("plainTextPath") or ""
    inside = children(element, "PlainTextContent")
    user = guid_in(element.get("creatingUser")) or creator
    return Text(
        id=name,
        guid=guid_in(element.get("guid")),
        line=element.sourceline or 0,
        file=_last(path),
        inside="".join(inside[0].itertext()) if inside else None,
        elsewhere=bool(re.match(r"(relative|absolute|file|https?):", path)),
        description=text_in(element, "Description"),
        passages=list(_passages(element, user)),
        given=list(_given(element, user)),
    )


def _passages(text: Element, user: str) -> Iterator[Passage]:
    """Yield the selections in a text; those of a transcript lie between points in time."""
    points = {guid_in(one.get("guid")): one.get("position") for one in children(text, "SyncPoint")}
    for one in children(text, "PlainTextSelection", "TranscriptSelection"):
        if local(one) == "PlainTextSelection":
            ends = one.get("startPosition"), one.get("endPosition")
        else:
            ends = (
                points.get(guid_in(one.get("fromSyncPoint"))),
                points.get(guid_in(one.get("toSyncPoint"))),
            )
        start, end = (_whole(end) for end in ends)
        by = guid_in(one.get("creatingUser")) or user
        name = one.get("name") or ""
        description = text_in(one, "Description")
        yield Passage(start, end, name, description, tuple(_given(one, by)))


def _whole(text: str | None) -> int:
    """Return the number in `text`, −1 where there is none."""
    plain = (text or "").strip()
    return int(plain) if re.fullmatch(r"\d{1,15}", plain, re.ASCII) else -1


def _given(element: Element, user: str) -> Iterator[Given]:
    for coding in children(element, "Coding"):
        refs = children(coding, "CodeRef")
        code = guid_in(refs[0].get("targetGUID")) if refs else ""
        by = guid_in(coding.get("creatingUser")) or user
        yield Given(code, by, coding.sourceline or 0)


def _all_given(text: Element, creator: str) -> Iterator[Given]:
    user = guid_in(text.get("creatingUser")) or creator
    yield from _given(text, user)
    for passage in _passages(text, user):
        yield from passage.given


def _paths_in(codes: Element) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the GUID of each code, and the names that lead to it from the top."""
    waiting: list[tuple[Element, tuple[str, ...]]] = [(codes, ())]
    while waiting:
        above, path = waiting.pop()
        for code in children(above, "Code"):
            steps = (*path, " ".join((code.get("name") or "").split()))
            yield guid_in(code.get("guid")), steps
            waiting.append((code, steps))


def listed(counts: Iterable[tuple[str, int]]) -> str:
    """Return names with their counts.

    >>> listed([("Notes", 2), ("Links", 1)])
    'Notes (2), Links (1)'
    """
    return ", ".join(f"{name} ({count})" for name, count in counts)
