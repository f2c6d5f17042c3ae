"""A study as a project that other programs read (REFI-QDA, `.qdpx`).

The texts go into the zip first, then the XML, which is written as it is made, some hundred
interviews at a time, so that memory stays flat. What the form has no place for, such as a value on
a scale, stands in descriptions under labels, where people read it and `project_rows` finds it.
"""

import re
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from django.db.models import Max, Q

from codebooks.exchange.qdc import ORIGIN, OURS, write_codes
from codebooks.exchange.tables import cell_text
from codebooks.models import Code, Kind, Revision
from codebooks.revisions import as_book
from coding.models import Answer, Coding, CodingKind, Evidence, Found, Mark, Run
from reviews.models import Ruling
from reviews.named import as_text, names_of_people, names_of_runs
from reviews.tables import attribute_names, headings
from studies.labelled import NUMBER, Form, Part
from studies.markup import Markup
from studies.models import LanguageSource, Participant, Segment, Study, Transcript
from studies.problems import Problem, _

SPACE = "urn:QDA-XML:project:1.0"
OF_A_SOURCE = Form(["CODED"], about=NUMBER)
OF_A_SELECTION = Form(["EVIDENCE", "QUOTE", "VALUE", "CONFIDENCE", "RATIONALE", "TRANSLATION"])
NO_EVIDENCE = "none"
MACHINE = "run;"  # how the id of a user begins who is no person
LANGUAGE = "language"
BATCH = 200
LONGEST_NAME = 100
INTEGER = re.compile(r"-?(0|[1-9]\d{0,14})", re.ASCII)
DECIMAL = re.compile(r"-?(0|[1-9]\d{0,14})\.\d{1,15}", re.ASCII)


@dataclass
class Written:
    """What a project holds, and what of the study it could not."""

    interviews: int = 0
    segments: int = 0
    codings: int = 0
    losses: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Selected:
    """One selection with its one coding; a `whole` one is a coding of the source itself."""

    start: int
    end: int
    guid: str
    user: str
    at: str
    code: str
    parts: Sequence[Part]
    whole: bool = False


def write_project(
    study: Study,
    revision: Revision,
    file: IO[bytes],
    advance: Callable[[int], None] = lambda segments: None,
) -> Written:
    """Write the study with its codings under `revision` to `file`; say what it could not hold.

    In it are the runs (no replicates) and the people who coded blind. `advance` is told how many
    segments are done, as they are.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        project = ProjectFile(study, revision)
        for batch in project.batches("pk", "external_id", "text"):
            for _pk, name, text in batch:
                with archive.open(entry(f"sources/{project.source(name)}.txt"), "w") as stream:
                    stream.write(text.encode())
        with archive.open(entry("project.qde"), "w", force_zip64=True) as stream:
            project.write(Markup(stream), advance)
    return project.written


def entry(name: str) -> zipfile.ZipInfo:
    """Return a file of the zip; all have one date, so that the same study gives the same bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


class ProjectFile:
    """The XML of a study's project, in the order that its schema asks for."""

    def __init__(self, study: Study, revision: Revision) -> None:
        self.study = study
        self.revision = revision
        self.book = as_book(revision)
        self.written = Written()
        self.lost: Counter[str] = Counter()
        self.seed = f"{study.slug}\n{study.created_at.isoformat()}"
        # What comes in while the file is written is not in it: the file is read in two passes.
        self.last = study.transcripts.aggregate(last=Max("pk"))["last"] or 0
        self.runs = names_of_runs(study, revision)
        self.people = names_of_people(study, revision)
        self.names = self.coders()
        self.order = {coder: place for place, coder in enumerate(self.names)}
        self.codes = {
            pk: (str(guid), kind == Kind.SCALE, key)
            for pk, guid, kind, key in Code.objects.filter(
                dimension__revision=revision
            ).values_list("pk", "guid", "dimension__kind", "dimension__key")
        }
        self.dimensions = [spec.key for spec in self.book.dimensions]
        self.variables = self.kinds()

    def coders(self) -> dict[tuple[str, int], str]:
        """Return the name of each run and person that coded; no two are alike."""
        coded = Coding.objects.filter(self.counted(), revision=self.revision).order_by()
        people = set(coded.exclude(person=None).values_list("person_id", flat=True).distinct())
        runs = set(coded.exclude(run=None).values_list("run_id", flat=True).distinct())
        names = {("person", pk): self.people[pk] for pk in sorted(people)}
        taken = set(names.values())
        for pk, name in self.runs.items():
            if pk in runs:
                names["run", pk] = f"{name} (run {pk})" if name in taken else name
        return names

    def counted(self) -> Q:
        """Return which codings are written: of runs that are no replicates, and blind ones."""
        return Q(run__isnull=False, run__replicate=0) | Q(
            person__isnull=False, kind=CodingKind.BLIND
        )

    def guid(self, *about: object) -> str:
        """Return the GUID of something of this study, the same whenever it is written."""
        return str(uuid.uuid5(OURS, "\n".join([self.seed, *map(str, about)])))

    def source(self, name: str) -> str:
        """Return the GUID of the text of an interview."""
        return self.guid("source", name)

    def user(self, coder: tuple[str, int]) -> str:
        """Return the GUID of a run or person."""
        return self.guid(*coder)

    def batches(self, *fields: str) -> Iterator[list[Any]]:
        """Yield fields of the interviews, of which `pk` is the first, some hundred at a time."""
        rows = self.study.transcripts.filter(pk__lte=self.last).order_by("pk")
        last = 0
        while batch := list(rows.filter(pk__gt=last).values_list(*fields)[:BATCH]):
            yield batch
            last = batch[-1][0]

    # -- the file, from its top

    def write(self, markup: Markup, advance: Callable[[int], None]) -> None:
        """Write everything, and take down what could not be written."""
        made = stamp(self.study.created_at)
        with markup.element(
            "Project", xmlns=SPACE, name=self.study.name, origin=ORIGIN, creationDateTime=made
        ):
            self.write_users(markup)
            with markup.element("CodeBook"):
                self.written.losses += write_codes(self.book, markup)
            self.write_variables(markup)
            self.write_cases(markup)
            self.write_sources(markup, advance)
        markup.close()
        self.written.losses += self.losses()

    def write_users(self, markup: Markup) -> None:
        """Write the people, and the runs, whose ids say that they are machines."""
        if not self.names:
            return
        runs = Run.objects.in_bulk([pk for kind, pk in self.names if kind == "run"])
        with markup.element("Users"):
            for (kind, pk), name in self.names.items():
                machine = None
                if kind == "run":
                    run = runs[pk]
                    machine = (
                        f"{MACHINE}model:{run.model};prompt:{run.prompt_digest};"
                        f"codebook:{self.revision.digest}"
                    )
                markup.leaf("User", guid=self.user((kind, pk)), name=name, id=machine)

    def kinds(self) -> dict[str, tuple[str, str]]:
        """Return each attribute with the name and the kind of its variable."""
        kinds: dict[str, set[str]] = {}
        rows = Participant.objects.filter(study=self.study).values_list("attributes", flat=True)
        for attributes in rows.iterator(chunk_size=10_000):
            for name, value in attributes.items():
                if said := as_said(value):
                    kinds.setdefault(name, set()).add(kind_of(said))
        names = [name for name in attribute_names(self.study) if kinds.get(name) and name.strip()]
        return {
            name: (
                called,
                "Text"
                if "Text" in kinds[name]
                else "Float"
                if "Float" in kinds[name]
                else "Integer",
            )
            for name, called in zip(names, headings(names, {LANGUAGE}), strict=True)
        }

    def write_variables(self, markup: Markup) -> None:
        """Write what is known of participants, and the language of each interview."""
        with markup.element("Variables"):
            markup.leaf(
                "Variable",
                guid=self.guid("variable of interviews", LANGUAGE),
                name=LANGUAGE,
                typeOfVariable="Text",
            )
            for name, (called, kind) in self.variables.items():
                guid = self.guid("variable", name)
                markup.leaf("Variable", guid=guid, name=called, typeOfVariable=kind)

    def write_values(self, markup: Markup, attributes: Mapping[str, Any], language: str) -> None:
        """Write the values of a person or an interview."""
        values = [
            (self.guid("variable", name), kind, as_said(attributes.get(name)))
            for name, (_called, kind) in self.variables.items()
        ]
        if language:
            guid = self.guid("variable of interviews", LANGUAGE)
            values.insert(0, (guid, "Text", language))
        for guid, kind, said in values:
            if said:
                with markup.element("VariableValue"):
                    markup.leaf("VariableRef", targetGUID=guid)
                    markup.leaf(f"{kind}Value", said)

    def write_cases(self, markup: Markup) -> None:
        """Write the participants with their interviews."""
        rows = Participant.objects.filter(study=self.study).order_by("pk")
        if not rows.exists():
            return
        last = 0
        with markup.element("Cases"):
            while people := list(
                rows.filter(pk__gt=last).values_list("pk", "external_id", "attributes")[:BATCH]
            ):
                of: dict[int, list[str]] = {}
                interviews = Transcript.objects.filter(
                    participant__in=[pk for pk, *_rest in people], pk__lte=self.last
                ).order_by("pk")
                for person, name in interviews.values_list("participant_id", "external_id"):
                    of.setdefault(person, []).append(name)
                for pk, name, attributes in people:
                    with markup.element("Case", guid=self.guid("participant", name), name=name):
                        self.write_values(markup, attributes, "")
                        for interview in of.get(pk, ()):
                            markup.leaf("SourceRef", targetGUID=self.source(interview))
                last = people[-1][0]

    # -- the interviews

    def write_sources(self, markup: Markup, advance: Callable[[int], None]) -> None:
        """Write the interviews, each with what everybody says of it."""
        if not self.last:
            return
        fields = ("external_id", "text", "language", "language_source", "imported_at")
        with markup.element("Sources"):
            for batch in self.batches("pk", *fields, "participant__attributes"):
                marked = Batch(self, [pk for pk, *_rest in batch])
                for pk, name, text, language, told, at, attributes in batch:
                    guid = self.source(name)
                    with markup.element(
                        "TextSource",
                        guid=guid,
                        name=name,
                        plainTextPath=f"internal://{guid}.txt",
                        creationDateTime=stamp(at),
                    ):
                        self.write_source(markup, text, marked.decided(pk), marked.selected(pk))
                        sure = language if told != LanguageSource.UNSURE else ""
                        self.write_values(markup, attributes, sure)
                self.written.interviews += len(batch)
                self.written.segments += len(marked.segments)
                advance(len(marked.segments))

    def write_source(
        self, markup: Markup, text: str, decided: Sequence[Part], selected: Sequence[Selected]
    ) -> None:
        """Write what was decided about an interview: passages first, then codes of the whole."""
        if decided:
            markup.leaf("Description", OF_A_SOURCE.written(decided))
        for one in selected:
            if one.whole:
                continue
            with markup.element(
                "PlainTextSelection",
                guid=self.guid("selection", one.guid),
                startPosition=str(one.start),
                endPosition=str(one.end),
                name=shortened(text[one.start : one.end]),
                creatingUser=one.user,
                creationDateTime=one.at,
            ):
                if said := OF_A_SELECTION.written(one.parts):
                    markup.leaf("Description", said)
                self.write_coding(markup, one)
        for one in selected:
            if one.whole:
                self.write_coding(markup, one)

    def write_coding(self, markup: Markup, one: Selected) -> None:
        """Write that a coder gave a code."""
        self.written.codings += 1
        guid = self.guid("coding", one.guid)
        with markup.element("Coding", guid=guid, creatingUser=one.user, creationDateTime=one.at):
            markup.leaf("CodeRef", targetGUID=one.code)

    def losses(self) -> Iterator[Problem]:
        """Yield what of the study the form has no place for."""
        for what, text in (
            ("unsure", _("Answers “unsure” are not in it: %(count)s.")),
            (
                "no",
                _(
                    "That a code does not apply is not in it where its dimension is not decided in "
                    "full: %(count)s."
                ),
            ),
            (
                "said",
                _(
                    "Reasons and confidence of codes that were given without a passage are not in "
                    "it: %(count)s."
                ),
            ),
            ("noted", _("Notes and confidence of whole answers are not in it: %(count)s.")),
        ):
            if self.lost[what]:
                yield Problem(text, count=self.lost[what])
        if rulings := Ruling.objects.filter(item__sample__study=self.study).count():
            yield Problem(_("Rulings are not in it: %(count)s."), count=rulings)


class Batch:
    """What was decided about some hundred interviews."""

    def __init__(self, file: ProjectFile, interviews: Sequence[int]) -> None:
        self.file = file
        self.segments: dict[int, tuple[int, int, int, int]] = {
            pk: (transcript, index, start, end)
            for pk, transcript, index, start, end in Segment.objects.filter(
                transcript__in=interviews
            )
            .order_by("pk")
            .values_list("pk", "transcript_id", "index", "start", "end")
        }
        self.alone = Counter(transcript for transcript, *_rest in self.segments.values())
        self.codings: dict[int, tuple[int, tuple[str, int], Sequence[str], str]] = {}
        for pk, segment, run, person, dimensions, at, note, confidence in (
            Coding.objects.filter(
                file.counted(), revision=file.revision, segment__transcript__in=interviews
            )
            .order_by()
            .values_list(
                *("pk", "segment_id", "run_id", "person_id", "dimensions", "created_at"),
                *("note", "confidence"),
            )
        ):
            coder = ("run", run) if run else ("person", person)
            if coder in file.names:  # else it was coded since the file was begun
                self.codings[pk] = (segment, coder, dimensions, stamp(at))
                file.lost["noted"] += bool(note) or confidence is not None
        self.of: dict[int, list[int]] = {}
        for pk in sorted(self.codings, key=self.place):
            self.of.setdefault(self.segments[self.codings[pk][0]][0], []).append(pk)
        self.marks: dict[int, list[tuple[Any, ...]]] = {}
        for coding, *mark in (
            Mark.objects.filter(
                coding__revision=file.revision, coding__segment__transcript__in=interviews
            )
            .order_by("pk")
            .values_list("coding_id", "pk", "code_id", "answer", "value", "confidence", "rationale")
        ):
            self.marks.setdefault(coding, []).append(tuple(mark))
        self.evidence: dict[int, list[tuple[Any, ...]]] = {}
        for mark_pk, *place in (
            Evidence.objects.filter(
                mark__coding__revision=file.revision,
                mark__coding__segment__transcript__in=interviews,
            )
            .order_by("pk")
            .values_list("mark_id", "pk", "start", "end", "found", "quote", "translation")
        ):
            self.evidence.setdefault(mark_pk, []).append(tuple(place))

    def place(self, coding: int) -> tuple[int, int]:
        """Return where among the codings of an interview one stands."""
        segment, coder, *_rest = self.codings[coding]
        return self.segments[segment][1], self.file.order[coder]

    def whole(self, segment: int) -> bool:
        """Return whether the segment is the interview as a whole."""
        return self.alone[self.segments[segment][0]] == 1

    def decided(self, interview: int) -> list[Part]:
        """Return for each coding of the interview what was decided in full, and by whom."""
        parts = []
        for pk in self.of.get(interview, ()):
            segment, coder, dimensions, _at = self.codings[pk]
            keys = [key for key in self.file.dimensions if key in dimensions]
            if keys:
                about = "" if self.whole(segment) else str(self.segments[segment][1])
                said = f"{self.file.names[coder]}: {', '.join(keys)}"
                parts.append(Part("CODED", about, said))
        return parts

    def selected(self, interview: int) -> list[Selected]:
        """Return what is said of passages of the interview and of it as a whole, in its order."""
        found = [
            one
            for pk in self.of.get(interview, ())
            for mark in self.marks.get(pk, ())
            for one in self.selections(pk, mark)
        ]
        return sorted(found, key=lambda one: (one.start, one.end))

    def selections(self, coding: int, mark: tuple[Any, ...]) -> Iterator[Selected]:
        """Yield the selections, each with one coding, that say what a mark says."""
        segment, coder, dimensions, at = self.codings[coding]
        pk, code, answer, value, confidence, rationale = mark
        guid, scale, dimension = self.file.codes[code]
        if answer != Answer.YES:
            self.file.lost[answer] += answer == Answer.UNSURE or dimension not in dimensions
            return
        user = self.file.user(coder)
        _transcript, _index, start, end = self.segments[segment]
        said = [
            Part("VALUE", "", cell_text(value) if scale else ""),
            Part("CONFIDENCE", "", "" if confidence is None else f"{confidence:.3g}"),
            Part("RATIONALE", "", rationale.strip()),
        ]
        places = self.evidence.get(pk, ())
        for number, first, last, found, quote, translation in places:
            parts = [
                Part("EVIDENCE", "", "" if found == Found.EXACT else found),
                Part("QUOTE", "", quote.strip()),
                *said,
                Part("TRANSLATION", "", translation.strip()),
            ]
            if first is None:  # it stands nowhere, and so in the whole segment
                first, last = start, end
            yield Selected(first, last, f"{pk} {number}", user, at, guid, parts)
        if not places and self.whole(segment) and not said[0].text:
            self.file.lost["said"] += any(part.text for part in said)
            yield Selected(0, 0, f"{pk}", user, at, guid, (), whole=True)
        elif not places:
            parts = [Part("EVIDENCE", "", NO_EVIDENCE), *said]
            yield Selected(start, end, f"{pk}", user, at, guid, parts)


def as_said(value: Any) -> str:
    """Return an attribute as a variable's value says it, "" for nothing.

    >>> as_said(34), as_said(["a", 1]), as_said(None), as_said(" x ")
    ('34', '["a", 1]', '', 'x')
    """
    if value is None or value == "":
        return ""
    return as_text(value).strip()


def kind_of(said: str) -> str:
    """Return the kind of variable that gives `said` back as it is.

    >>> kind_of("34"), kind_of("007"), kind_of("1.50"), kind_of("north")
    ('Integer', 'Text', 'Float', 'Text')
    """
    return "Integer" if INTEGER.fullmatch(said) else "Float" if DECIMAL.fullmatch(said) else "Text"


def stamp(at: datetime) -> str:
    """Return a point in time as the form writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shortened(quote: str) -> str:
    """Return a passage as a name: on one line, its end left out where it is long."""
    line = " ".join(quote.split())
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"
