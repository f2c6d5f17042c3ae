"""Codings out of a project of another program (REFI-QDA, `.qdpx`), as the rows of a long table.

Positions are led to the texts of the study, and each passage is given with the words that it has in
the project, so that it is held against the study's text as every imported quotation is.

Nobody says in another program that nothing applies: who coded a text there had the whole codebook
at hand, and what they did not give does not apply. Scales stay open. A project that Concord wrote
says itself what was decided.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from codebooks.exchange.qdc import ORIGIN, Names
from codebooks.models import Kind
from codebooks.revisions import as_book
from coding.models import Found
from reviews.judging import Book
from reviews.project_files import MACHINE, NO_EVIDENCE, OF_A_SELECTION, OF_A_SOURCE
from reviews.rows import Table, stored, unopened
from studies.cleaning import cleaned
from studies.models import Segment, Study, Transcript
from studies.offsets import Offsets, Quoted, Raw, Reading, best_reading
from studies.problems import Problem, _
from studies.projects import Given, Passage, Project, Text, Unread, listed, opened
from studies.stores import keep

BATCH = 100  # texts
TOLD_BY = 300  # texts with quotations, by which it is told how a program counts
ENDING = re.compile(r"\.(txt|docx?|rtf|odt|pdf|md|vtt|srt|html?)$", re.IGNORECASE)
Keys = tuple[str, str]  # of a dimension and of a code in it
Field = str | int | None
Fields = tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A text of the project: what is kept of it, how to get there, and where it is in the study."""

    text: Text
    kept: str
    offsets: Offsets
    transcript: str
    there: str | None  # the text in the study, where that reads otherwise
    segments: Sequence[tuple[int, int, int]]  # index, start, end


@dataclass(frozen=True, slots=True)
class Said:
    """That somebody gave a code to a segment, with the place of the evidence if there is one."""

    coder: str
    segment: int
    code: str
    line: int
    value: str = ""
    start: str = ""
    end: str = ""
    quote: str = ""
    found: str = ""
    given: str = ""


@contextmanager
def read(
    path: Path, study: Study, book: Book, as_run: str
) -> Iterator[tuple[Table, list[Problem]]]:
    """Read the project and give its codings as a table, and remarks on what it holds otherwise.

    With `as_run` they are those of one user: the one of that name, else the only one.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise unopened(path, error) from error
    with stored() as store:
        with opened(path.name, file) as project:
            rows = Rows(project, study, book, as_run)
            count = keep(store, rows.all())
        if not count and rows.remarks:
            raise Problem(
                _("“%(file)s” holds no codings of texts that could be taken. %(reason)s"),
                file=path.name,
                reason=rows.remarks[0],
            )
        if not count:
            raise Problem(_("“%(file)s” holds no codings of texts."), file=path.name)
        yield Table(count, store, has_applies=True), rows.remarks


class Rows:
    """The rows that the codings of a project make."""

    def __init__(self, project: Project, study: Study, book: Book, as_run: str) -> None:
        self.project = project
        self.study = study
        self.book = book
        self.remarks: list[Problem] = []
        self.of_several = 0  # codes of a whole interview that has several segments
        self.otherwise = 0  # texts that read otherwise in the study
        self.ours = project.origin.startswith(ORIGIN)
        self.coders = self.who(as_run)
        self.keys = self.codes()
        self.scales = {
            dimension.key for dimension in book.dimensions.values() if dimension.kind == Kind.SCALE
        }
        self.reading = self.told()

    def who(self, as_run: str) -> dict[str, str]:
        """Return the coders whose codings are taken: their names by GUID."""
        coded = [guid for guid, count in self.project.coded_by.items() if count]
        names = {guid: user.name for guid, user in self.project.users.items()}
        for guid in coded:
            names.setdefault(guid, f"user {guid[:8]}" if guid else "")
        if as_run:
            chosen = [guid for guid, name in names.items() if name == as_run]
            if not chosen and len(coded) > 1:
                raise Problem(
                    _(
                        "“%(file)s” holds codings by %(people)s: name one of them with --as-run, "
                        "whose codings are taken."
                    ),
                    file=self.project.name,
                    people=", ".join(names[guid] or "–" for guid in coded),
                )
            return dict.fromkeys(chosen or coded, as_run)
        machines = self.machines()
        for guid in machines:
            self.remarks.append(
                Problem(
                    _(
                        "“%(name)s” is a machine and no person, so that its codings were not "
                        "taken: take them with --as-run “%(name)s”."
                    ),
                    name=names[guid],
                )
            )
        return {guid: name for guid, name in names.items() if guid not in machines}

    def machines(self) -> list[str]:
        """Return who is a run: as Concord wrote it, or since a run here has the name."""
        runs = set(self.study.runs.values_list("name", flat=True))
        runs -= set(self.study.memberships.values_list("name", flat=True))
        return [
            guid
            for guid, user in self.project.users.items()
            if user.id.startswith(MACHINE) or user.name in runs
        ]

    def codes(self) -> dict[str, Keys]:
        """Return the keys of dimension and code for each GUID that the project has a code under.

        Programs may give codes other GUIDs, so that a name counts where the GUID is not known.
        """
        book = as_book(self.book.revision)
        names = Names(book)
        by_guid: dict[str, Keys] = {}
        by_name: dict[str, Keys] = {}
        for spec in book.dimensions:
            if spec.kind == "scale":
                by_guid[spec.guid] = (spec.key, spec.key)
                by_name[names.of(spec).casefold()] = (spec.key, spec.key)
            for one in spec.codes:
                by_guid[one.guid] = (spec.key, one.key)
                by_name[names.of(spec, one).casefold()] = (spec.key, one.key)
        found = dict(by_guid)
        for guid, path in self.project.codes.items():
            for name in (path[-1], " > ".join(path[-2:])):
                if guid not in by_guid and name.casefold() in by_name:
                    found.setdefault(guid, by_name[name.casefold()])
        return found

    def told(self) -> Reading:
        """Return how the program counts, told by the quotations beside its positions."""
        if self.ours:
            return Reading()
        best, hits, total = best_reading(islice(self.quoted(), TOLD_BY))
        if 2 * hits < total:  # nothing that the quotations say of it is to be relied on
            return Reading()
        if best != Reading():
            ways = {
                "utf16": _("characters beyond the first 65,536 count as two"),
                "returns": _("line ends count as two"),
                "mark": _("the byte order mark counts"),
                "inclusive": _("the end is the last character itself"),
            }
            for name, true in best._asdict().items():
                if true:
                    self.remarks.append(
                        Problem(
                            _(
                                "Its positions were read so that %(way)s: then %(hits)s of "
                                "%(total)s quotations stand where they should."
                            ),
                            way=Problem(ways[name]),
                            hits=hits,
                            total=total,
                        )
                    )
        return best

    def quoted(self) -> Iterator[tuple[Raw, str, list[Quoted]]]:
        """Yield the texts that have selections with quotations."""
        for text in self.project.texts():
            if isinstance(text, Unread):
                continue
            quotations = [
                Quoted(one.start, one.end, one.name) for one in text.passages if one.name.strip()
            ]
            if quotations:
                try:
                    raw = self.project.raw(text)
                except Problem:
                    continue
                yield raw, cleaned(raw.text)[0], quotations

    # -- the rows

    def all(self) -> Iterator[Fields]:
        """Yield the fields of every row."""
        texts = self.project.texts()
        while batch := list(islice(texts, BATCH)):
            for place in self.placed(batch):
                yield from self.rows(place)
        if self.otherwise:
            self.remarks.append(
                Problem(
                    _(
                        "Texts that read otherwise in the study: %(count)s; their passages were "
                        "looked for by their words."
                    ),
                    count=self.otherwise,
                )
            )
        if self.of_several:
            self.remarks.append(
                Problem(
                    _(
                        "Codes of whole interviews were not taken, since each answer is coded for "
                        "itself here: %(count)s."
                    ),
                    count=self.of_several,
                )
            )
        if self.project.untaken:
            self.remarks.append(
                Problem(
                    _("It also holds what has no place in a study, and was not taken: %(parts)s."),
                    parts=listed(sorted(self.project.untaken.items())),
                )
            )

    def placed(self, batch: Sequence[Text | Unread]) -> Iterator[Place]:
        """Yield those of `batch` that say anything, with their places in the study."""
        read: list[tuple[Text, Raw, str]] = []
        for text in batch:
            if isinstance(text, Unread) or not (text.passages or text.given or text.description):
                continue
            try:
                raw = self.project.raw(text)
            except Problem as problem:
                self.remarks.append(
                    Problem("%(interview)s: %(reason)s", interview=text.id, reason=problem)
                )
                continue
            read.append((text, raw, cleaned(raw.text)[0]))
        found = self.interviews(read)
        digests = {digest_of(kept) for _text, _raw, kept in read}
        others = dict(
            Transcript.objects.filter(study=self.study, external_id__in=set(found.values()))
            .exclude(digest__in=digests)
            .values_list("external_id", "text")
        )
        self.otherwise += len(others)
        segments: dict[str, list[tuple[int, int, int]]] = {}
        for name, *segment in (
            Segment.objects.filter(
                transcript__study=self.study, transcript__external_id__in=set(found.values())
            )
            .order_by("index")
            .values_list("transcript__external_id", "index", "start", "end")
        ):
            segments.setdefault(name, []).append((segment[0], segment[1], segment[2]))
        for text, raw, kept in read:
            name = found.get(text.id, text.id)
            offsets = Offsets(raw, self.reading)
            there = segments.get(name, [(1, 0, len(kept))])
            yield Place(text, kept, offsets, name, others.get(name), there)

    def interviews(self, read: Sequence[tuple[Text, Raw, str]]) -> dict[str, str]:
        """Return the id in the study of each text: its name, that without ending, or its words."""
        names = {text.id: (text.id, ENDING.sub("", text.id)) for text, *_rest in read}
        digests = {text.id: digest_of(kept) for text, _raw, kept in read}
        rows = Transcript.objects.filter(study=self.study)
        there = set(
            rows.filter(
                external_id__in={name for both in names.values() for name in both}
            ).values_list("external_id", flat=True)
        )
        found = {
            text: name for text, both in names.items() for name in reversed(both) if name in there
        }
        unknown = {digests[text]: text for text in names if text not in found}
        same: dict[str, list[str]] = {}
        for digest, name in rows.filter(digest__in=unknown).values_list("digest", "external_id"):
            same.setdefault(digest, []).append(name)
        for text in names.keys() - found.keys():
            if len(same.get(digests[text], ())) == 1:
                found[text] = same[digests[text]][0]
        return found

    def rows(self, place: Place) -> Iterator[Fields]:
        """Yield the rows of one text: what is given, and that nothing else applies."""
        said = [*self.of_passages(place), *self.of_the_whole(place)]
        declared = self.declared(place)
        decided: dict[tuple[str, int], set[str]] = {
            seat: set(keys) for seat, keys in declared.items()
        }
        if not self.ours:
            for coder in {one.coder for one in said}:
                for index, _start, _end in place.segments:
                    decided.setdefault((coder, index), set()).update(
                        key for key in self.book.order if key not in self.scales
                    )
        marked: dict[tuple[str, int], set[str]] = {}
        for one in said:
            seat = one.coder, one.segment
            dimension, code = self.keys.get(one.code, ("", ""))
            marked.setdefault(seat, set()).add(dimension)
            path = self.project.codes.get(one.code, (one.code,))
            yield (
                *(place.transcript, str(one.segment), one.coder, one.line),
                *(dimension, code or path[-1] or "?", one.value, one.start, one.end, one.quote),
                None if dimension in decided.get(seat, ()) or not self.ours else "1",
                *(one.found, one.given),
            )
        for (coder, index), keys in decided.items():
            for key in self.book.order:
                if key in keys and key not in marked.get((coder, index), ()):
                    yield (
                        *(place.transcript, str(index), coder, place.text.line, key),
                        *("", "", "", "", "", None, "", ""),
                    )

    def declared(self, place: Place) -> dict[tuple[str, int], set[str]]:
        """Return what the description that Concord gave a text says was decided, and by whom."""
        found: dict[tuple[str, int], set[str]] = {}
        users = self.project.users
        names = {users[guid].name: coder for guid, coder in self.coders.items() if guid in users}
        for part in OF_A_SOURCE.read(place.text.description):
            name, _colon, keys = part.text.rpartition(": ")
            if part.label and name in names:
                index = int(part.about or place.segments[0][0])
                found.setdefault((names[name], index), set()).update(
                    key for key in keys.split(", ") if key in self.book.order
                )
        return found

    def of_the_whole(self, place: Place) -> Iterator[Said]:
        """Yield the codes that were given to a text as a whole, where that is one segment."""
        for given in place.text.given:
            if given.user not in self.coders:
                continue
            if len(place.segments) == 1:
                yield Said(self.coders[given.user], place.segments[0][0], given.code, given.line)
            else:
                self.of_several += 1

    def of_passages(self, place: Place) -> Iterator[Said]:
        """Yield the codes that were given to passages, in every segment that a passage is in."""
        for passage in place.text.passages:
            taken = [given for given in passage.given if given.user in self.coders]
            if not taken:
                continue
            parts = {part.label: part.text for part in OF_A_SELECTION.read(passage.description)}
            for given in taken:
                yield from self.segments_of(place, passage, given, parts)

    def segments_of(
        self, place: Place, passage: Passage, given: Given, parts: Mapping[str, str]
    ) -> Iterator[Said]:
        """Yield what a passage says of each segment that it shares words with."""
        coder, evidence = self.coders[given.user], parts.get("EVIDENCE", "")
        value = parts.get("VALUE", "")
        if not 0 <= passage.start <= passage.end <= place.offsets.counted:
            # Positions that lie outside are told as they are, unless the name is a quotation.
            quote = passage.name.strip()
            known = bool(quote) and quote in place.kept
            ends = ("", "") if known else (str(passage.start), str(passage.end))
            index = place.segments[0][0]
            yield Said(coder, index, given.code, given.line, value, *ends, quote if known else "")
            return
        start, end = place.offsets.range(passage.start, passage.end)
        words, text = place.kept[start:end].strip(), place.kept
        if place.there is not None and words:
            text = place.there
            if (start := nearest(words, text, start)) < 0:
                index = place.segments[0][0]
                yield Said(coder, index, given.code, given.line, value, quote=words)
                return
            end = start + len(words)
        shared = [
            (index, max(start, begin), min(end, stop))
            for index, begin, stop in place.segments
            if text[max(start, begin) : min(end, stop)].strip()
        ]
        if not shared:
            # Nothing is in it: a code of the segment where it stands.
            near = [index for index, begin, _stop in place.segments if begin <= start]
            index = near[-1] if near else place.segments[0][0]
            yield Said(coder, index, given.code, given.line, value)
        for index, begin, stop in shared:
            if evidence == NO_EVIDENCE:
                yield Said(coder, index, given.code, given.line, value)
            elif evidence == Found.MISSING:
                quote = parts.get("QUOTE", "")
                yield Said(coder, index, given.code, given.line, value, found=evidence, given=quote)
            else:
                yield Said(
                    *(coder, index, given.code, given.line, value, str(begin), str(stop)),
                    quote=text[begin:stop].strip(),
                    found=evidence,
                    given=parts.get("QUOTE", ""),
                )


def digest_of(kept: str) -> str:
    """Return the digest by which a text is known again."""
    return hashlib.sha256(kept.encode("utf-8", "surrogatepass")).hexdigest()


def nearest(words: str, text: str, start: int) -> int:
    """Return where `words` stand in `text`, of several places the nearest to `start`; else −1.

    >>> nearest("I do", "I do. I do. I do.", 7), nearest("I did", "I do.", 0)
    (6, -1)
    """
    before, after = text.rfind(words, 0, start + len(words)), text.find(words, start)
    found = [place for place in (before, after) if place >= 0]
    return min(found, key=lambda place: abs(place - start), default=-1)
