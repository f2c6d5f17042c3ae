"""Import codings made elsewhere, by people or by a model, from a long table or a project.

A coding comes in whole or is left out with the reason: one mistake in its rows leaves out what
that coder says of that segment and nothing else. Importing a file again changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone

from codebooks.models import Revision
from codebooks.revisions import freeze
from coding.evidence import Text
from coding.models import CoderKind, Coding, CodingKind, Evidence, Found, Mark, Run
from reviews import project_rows
from reviews.judging import Book, Judged, Mistake, Verdict, none_and_some, read_row, settle
from reviews.rows import Group, Row, Table, read
from reviews.sampling import current_sample, join_codings, revision_in_use
from studies.audit import Action, record
from studies.languages import guess
from studies.models import Segment, Study, Transcript
from studies.people import coder_named
from studies.problems import Problem, _
from studies.turns import with_roles

BATCH = 300


@dataclass(frozen=True)
class LeftOut:
    """A coding that was not taken, and which of its rows is why."""

    line: int
    transcript: str
    segment: str
    coder: str
    problem: Problem


@dataclass
class Imported:
    """What came of an import; `codings` are new, `added` gained dimensions, `joined` are answers
    to the current sample. `remarks` say what else a project holds, and how it was read."""

    rows: int = 0
    codings: int = 0
    added: int = 0
    unchanged: int = 0
    marks: int = 0
    joined: int = 0
    evidence: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Found.values, 0))
    coders: set[str] = field(default_factory=set)
    run: Run | None = None
    left_out: list[LeftOut] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)


def import_codings(
    study: Study,
    path: str | Path,
    as_run: str | None = None,
    at: Callable[[int, int], None] = lambda done, rows: None,
) -> Imported:
    """Import the codings in the file at `path`; those of people answer the current sample's items.

    With `as_run` the codings are a model's, as a run of that name; of a project (`.qdpx`) they are
    those of the user of that name, or of the only one. `at` is told how many rows of
    how many are done, as it goes.
    """
    revision = revision_in_use(study)
    book = Book(revision)
    imported = Imported()
    as_run = None if as_run is None else _run_name(as_run)
    with _rows(study, Path(path), book, as_run or "", imported) as table:
        imported.rows = table.rows
        groups = table.groups()
        done = 0
        while batch := list(islice(groups, BATCH)):
            judged = list(_judge(study, batch, book, imported))
            with transaction.atomic():
                Study.objects.select_for_update().get(pk=study.pk)  # one import at a time
                if judged:  # what is left out whole freezes nothing and leaves no empty run
                    freeze(revision)
                if judged and as_run and imported.run is None:
                    imported.run = _run(study, revision, as_run)
                _keep(study, book, judged, imported)
            done += sum(len(group.rows) for group in batch)
            at(done, table.rows)
    if imported.left_out and not (imported.codings or imported.added or imported.unchanged):
        raise Problem(
            _(
                "None of the codings in “%(file)s” can be taken (%(count)d are left out). "
                "Line %(line)d: %(reason)s"
            ),
            file=Path(path).name,
            count=len({(one.transcript, one.segment, one.coder) for one in imported.left_out}),
            line=imported.left_out[0].line,
            reason=imported.left_out[0].problem,
        )
    sample = current_sample(study)
    if sample and not as_run and sample.revision_id == revision.pk:
        with transaction.atomic():
            imported.joined = join_codings(sample)
    if imported.codings or imported.added:
        counts = {"codings": imported.codings, "added": imported.added, "as_run": as_run}
        record(study, None, Action.CODINGS_IMPORTED, Path(path).name, after=counts)
    return imported


@contextmanager
def _rows(study: Study, path: Path, book: Book, as_run: str, imported: Imported) -> Iterator[Table]:
    """Give the rows of a table or a project while the block runs."""
    if path.suffix.lower() == ".qdpx":
        with project_rows.read(path, study, book, as_run) as (table, imported.remarks):
            yield table
    else:
        with read(path, guess, one_coder=as_run) as table:
            yield table


def _judge(
    study: Study, groups: Sequence[Group], book: Book, imported: Imported
) -> Iterator[Judged]:
    """Yield the codings of `groups` that can be taken; note the others as left out."""
    ids = {group.transcript for group in groups}
    segments = {
        (transcript, str(index)): (pk, start, end)
        for transcript, index, pk, start, end in Segment.objects.filter(
            transcript__study=study, transcript__external_id__in=ids
        ).values_list("transcript__external_id", "index", "pk", "start", "end")
    }
    known = {transcript for transcript, _index in segments}
    quoted = {
        group.transcript
        for group in groups
        if any(row.quote or row.start or row.end for row in group.rows)
    }
    texts = _texts(study, quoted & known)
    for group in groups:
        if problem := _unknown(group, known, segments):
            _leave_out(imported, group, group.rows[0], problem)
            continue
        pk, start, end = segments[group.transcript, group.segment]
        judged = Judged(group, pk)
        mistakes = 0
        for row in group.rows:
            try:
                read_row(judged, row, book, texts.get(group.transcript), (start, end))
            except Mistake as mistake:
                _leave_out(imported, group, mistake.row, mistake.problem)
                mistakes += 1
        for key in {book.dimension_of[code] for code in judged.verdicts} & judged.none.keys():
            _leave_out(imported, group, judged.none[key], none_and_some(key))
            mistakes += 1
        if not mistakes:
            settle(judged, book)
            if judged.decided or judged.verdicts:  # else every row says: not looked at
                yield judged


def _unknown(
    group: Group, known: set[str], segments: Mapping[tuple[str, str], tuple[int, int, int]]
) -> Problem | None:
    if not group.transcript or group.transcript not in known:
        return Problem(
            _("The study has no interview “%(transcript)s”."), transcript=group.transcript
        )
    if (group.transcript, group.segment) not in segments:
        return Problem(
            _("The interview “%(transcript)s” has no segment “%(segment)s”."),
            transcript=group.transcript,
            segment=group.segment,
        )
    if not group.coder:
        return Problem(_("The row does not say who coded it."))
    return None


def _texts(study: Study, ids: set[str]) -> dict[str, Text]:
    rows = Transcript.objects.filter(study=study, external_id__in=ids).values_list(
        "external_id", "text", "turns"
    )
    return {
        external_id: Text(text, with_roles(turns, study.speaker_roles))
        for external_id, text, turns in rows
    }


def _leave_out(imported: Imported, group: Group, row: Row, problem: Problem) -> None:
    imported.left_out.append(
        LeftOut(row.line, group.transcript, group.segment, group.coder, problem)
    )


def _run_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 200:
        raise Problem(_("A run needs a name of 1 to 200 characters."))
    return name


def _run(study: Study, revision: Revision, name: str) -> Run:
    """Return the run that codings of a model elsewhere belong to."""
    run, _created = Run.objects.get_or_create(
        study=study,
        revision=revision,
        coder=CoderKind.IMPORTED,
        name=name,
        defaults={"model": name, "finished_at": timezone.now()},
    )
    return run


def _keep(study: Study, book: "Book", judged: Sequence[Judged], imported: Imported) -> None:
    """Store what was judged; a coding that is there already stays as it is."""
    people = _people(study, judged, imported) if imported.run is None else {}
    judged = [one for one in judged if imported.run or one.group.coder in people]
    whose = {"run": imported.run} if imported.run else {"person__in": set(people.values())}
    there = {
        (coding.segment_id, coding.person_id): coding
        for coding in Coding.objects.filter(
            revision=book.revision,
            segment__in={one.segment for one in judged},
            kind=CodingKind.BLIND,
            **whose,
        ).prefetch_related(
            Prefetch("marks", Mark.objects.select_related("code__dimension")), "marks__evidence"
        )
    }
    new: list[tuple[Coding, Judged]] = []
    for one in judged:
        person = people.get(one.group.coder)
        coding = there.get((one.segment, person))
        if coding is None:
            coding = Coding(
                segment_id=one.segment,
                revision=book.revision,
                run=imported.run,
                person_id=person,
                dimensions=[key for key in book.order if key in one.decided],
            )
            new.append((coding, one))
        else:
            _add(coding, one, book, imported)
        imported.coders.add(one.group.coder)
    Coding.objects.bulk_create([coding for coding, _one in new])
    imported.codings += len(new)
    _mark([(coding, verdict) for coding, one in new for verdict in one.verdicts.values()], imported)


def _people(study: Study, judged: Sequence[Judged], imported: Imported) -> dict[str, int]:
    """Return the person behind each name; codings under what can't be a name are left out."""
    people: dict[str, int] = {}
    refused: dict[str, Problem] = {}
    for one in judged:
        name = one.group.coder
        if name not in people and name not in refused:
            try:
                people[name] = coder_named(study, name).pk
            except Problem as problem:
                refused[name] = problem
        if name in refused:
            _leave_out(imported, one.group, one.group.rows[0], refused[name])
    return people


def _add(coding: Coding, judged: Judged, book: Book, imported: Imported) -> None:
    """Add to `coding` the dimensions that it does not decide yet; what it decides must agree."""
    before: dict[str, set[tuple[Any, ...]]] = {key: set() for key in coding.dimensions}
    for mark in coding.marks.all():
        passages = {(one.start, one.end, one.found, one.quote) for one in mark.evidence.all()}
        verdict = Verdict(mark.code, mark.answer, mark.value, passages)
        before.setdefault(mark.code.dimension.key, set()).add(verdict.same())
    now: dict[str, set[tuple[Any, ...]]] = {key: set() for key in judged.decided}
    for verdict in judged.verdicts.values():
        now.setdefault(verdict.code.dimension.key, set()).add(verdict.same())
    if any(key in before and before[key] != verdicts for key, verdicts in now.items()):
        _leave_out(
            imported,
            judged.group,
            judged.group.rows[0],
            Problem(
                _(
                    "“%(coder)s” has coded “%(transcript)s” before, and differently; the earlier "
                    "coding stays."
                ),
                coder=judged.group.coder,
                transcript=judged.group.transcript,
            ),
        )
        return
    fresh = now.keys() - before.keys()
    if not fresh:
        imported.unchanged += 1
        return
    decided = {*coding.dimensions, *(judged.decided & fresh)}
    coding.dimensions = [key for key in book.order if key in decided]
    coding.save(update_fields=["dimensions"])
    imported.added += 1
    _mark(
        [
            (coding, verdict)
            for verdict in judged.verdicts.values()
            if verdict.code.dimension.key in fresh
        ],
        imported,
    )


def _mark(verdicts: Sequence[tuple[Coding, Verdict]], imported: Imported) -> None:
    marks = Mark.objects.bulk_create(
        Mark(coding=coding, code=verdict.code, answer=verdict.answer, value=verdict.value)
        for coding, verdict in verdicts
    )
    evidence = [
        Evidence(mark=mark, start=start, end=end, found=found, quote=quote)
        for mark, (_coding, verdict) in zip(marks, verdicts, strict=True)
        for start, end, found, quote in sorted(verdict.passages, key=str)
    ]
    Evidence.objects.bulk_create(evidence)
    imported.marks += len(marks)
    for one in evidence:
        imported.evidence[one.found] += 1
