"""Bring interviews into a study: parse, find the turns, tell the language, store."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Self

from django.db import IntegrityError, transaction

from .audit import Action, record
from .files import Columns, Found, LeftOut, Note, Record, parse
from .languages import UNDETERMINED, Detected, Detection, detect, normalise
from .models import LanguageSource, Participant, Segment, Study, Transcript, Translation, Unit
from .people import checked_unit
from .problems import UNSTORABLE, Problem, _
from .search import forget
from .sources import Named, called
from .turns import Turn, answers, split, with_roles, words_of

BATCH = 200  # interviews stored at once, unless
BATCH_CHARACTERS = 2_000_000  # they are long
MOST_ROWS = 1000  # rows that the report names; all are counted
MOST_WORDS = 1500  # characters of the participant that the language is told by
FIRST = 5  # interviews that a look shows

CHANGES = ("created", "changed", "updated")  # what an import leaves in the trail

Advance = Callable[[int, int | None], None]  # (interviews done, about how many there are)
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report: where, which interview, and what about it."""

    source: str
    row: int  # as a spreadsheet counts; 0 for a file as a whole
    line: int
    id: str
    reason: Problem

    def as_json(self) -> dict[str, Any]:
        """Return this as JSON that can be kept, from which `of` makes it again."""
        source, identity = (UNSTORABLE.sub("\ufffd", text) for text in (self.source, self.id))
        return {
            "source": source,
            "row": self.row,
            "line": self.line,
            "id": identity,
            "reason": self.reason.as_json(),
        }

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """Return the line that `as_json` wrote down."""
        return cls(**{**kept, "reason": Problem.of(kept["reason"])})


@dataclass(slots=True)
class Imported:
    """What an import did: counts of interviews, the rows left out, and remarks.

    `changed` have a new text, `updated` only other attributes or another declared language.
    `rows` and `notes` hold the first 1,000; `left_out` and `noted` count all. `languages` are those
    of new interviews and new texts.

    An import that is done in parts goes on from here: `read` is how much of what the files hold
    was dealt with, `share` the same from 0 to 1, `places` where each id stood first (its number and
    its name), and `fallback` the language of what nobody can tell the language of.
    """

    created: int = 0
    unchanged: int = 0
    changed: int = 0
    updated: int = 0
    left_out: int = 0
    unsure_language: int = 0
    noted: int = 0
    rows: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    finished: bool = False
    read: int = 0
    share: float = 0.0
    fallback: str = ""
    places: dict[str, Place] = field(default_factory=dict, repr=False)

    @property
    def stored(self) -> int:
        """How many interviews are in the study as the files have them."""
        return self.created + self.unchanged + self.changed + self.updated

    def as_json(self) -> dict[str, Any]:
        """Return this, all but `places`, as JSON from which `of` makes it again."""
        lists = {name: [row.as_json() for row in getattr(self, name)] for name in ("rows", "notes")}
        return {name: getattr(self, name) for name in KEPT} | lists

    @classmethod
    def of(cls, kept: dict[str, Any], places: dict[str, Place]) -> Self:
        """Return what `as_json` wrote down."""
        lists = {name: [Row.of(row) for row in kept[name]] for name in ("rows", "notes")}
        languages = Counter(kept["languages"])
        return cls(**{**kept, **lists, "languages": languages, "places": places})

    def leave_out(self, row: Row) -> None:
        """Count `row` as left out and name it if there is room."""
        self.left_out += 1
        if len(self.rows) < MOST_ROWS:
            self.rows.append(row)

    def note(self, row: Row) -> None:
        """Count a remark and keep it if there is room."""
        self.noted += 1
        if len(self.notes) < MOST_ROWS:
            self.notes.append(row)


KEPT = (
    *("created", "unchanged", "changed", "updated", "left_out", "unsure_language", "noted"),
    *("languages", "finished", "read", "share", "fallback"),
)


@dataclass(frozen=True, slots=True)
class First:
    """One of the first interviews of a look, with the language that it would be given."""

    record: Record
    language: str
    source: LanguageSource


@dataclass(slots=True)
class _Known:
    """What the study holds already under an id."""

    pk: int
    digest: str
    language: str
    source: str
    participant: int
    attributes: dict[str, Any]


@dataclass(slots=True)
class _Prepared:
    """A record with what follows from its text."""

    record: Record
    digest: str
    turns: list[Turn]
    segments: list[tuple[int, int, int]]
    declared: str
    known: _Known | None = None

    @property
    def same(self) -> bool:
        return self.known is not None and self.known.digest == self.digest


def import_transcripts(
    study: Study,
    paths: Sequence[Named],
    *,
    id_column: str = "",
    text_column: str | Sequence[str] = "",
    language_column: str = "",
    attributes: str | Sequence[str] | None = None,
    exact: bool = False,
    unit: str | None = None,
    advance: Advance | None = None,
    seconds: float | None = None,
    so_far: Imported | None = None,
) -> Imported:
    """Bring the interviews in `paths` into `study` and say what became of each.

    The same file again changes nothing; a text that changed is taken unless something hangs on the
    old one. Interviews are stored a batch at a time: interrupted, the same call goes on.

    With `seconds` it stops after about as long, in this process alone; what it returned, given as
    `so_far`, lets the same call go on from there. `exact` is as in `files.Columns`.
    """
    imported = so_far or Imported()
    columns = Columns(id_column, text_column, language_column, attributes, exact)
    found = parse(paths, columns, imported.read)
    _settle_unit(study, unit)
    imported.fallback = imported.fallback or _only_language(study)
    gone = withdrawn_from(study)
    done = imported.stored
    processes = 0 if seconds is None else 1
    with Detection(fallback=imported.fallback, processes=processes) as detection:
        prepared = _prepared(_for_a_while(found, imported, seconds), study, imported, gone)
        looked_up = chain.from_iterable(_looked_up(study, batch) for batch in _batches(prepared))
        told = detection.over(looked_up, _words_to_tell)
        for batch in _batches(told, of=lambda pair: len(pair[0].record.text)):
            _store(study, batch, imported)
            done += len(batch)
            imported.share = batch[-1][0].record.share
            if advance:
                share = imported.share
                advance(done, max(done, round(done / share)) if share else None)
    if imported.finished:
        imported.share = 1.0
        if advance:
            advance(done, done)
        record_import(study, paths, imported)
    return imported


def record_import(
    study: Study, paths: Sequence[Named], imported: Imported, person: Any = None
) -> None:
    """Write into the trail what an import did, if it did anything."""
    if changed := {name: getattr(imported, name) for name in CHANGES if getattr(imported, name)}:
        names = ", ".join(Path(called(path)).name for path in paths)
        record(
            study, person, Action.IMPORTED, names, after={**changed, "left_out": imported.left_out}
        )


def look(
    study: Study, paths: Sequence[Named], columns: Columns | None = None, *, seconds: float
) -> tuple[Imported, list[First]]:
    """Return what importing `paths` would do, as far as `seconds` go, and the first interviews.

    Nothing is stored. `changed` counts other texts under known ids, be they in use or not, and
    `unchanged` known texts, whatever their attributes.
    """
    imported = Imported(fallback=_only_language(study))
    first: list[_Prepared] = []
    found = _for_a_while(parse(paths, columns), imported, seconds)
    for batch in _batches(_prepared(found, study, imported, withdrawn_from(study))):
        for prepared in _looked_up(study, batch):
            imported.created += prepared.known is None
            imported.unchanged += prepared.same
            imported.changed += prepared.known is not None and not prepared.same
        first += batch[: FIRST - len(first)]
    return imported, [First(one.record, *_would_be(one, imported.fallback)) for one in first]


def _would_be(prepared: _Prepared, fallback: str) -> tuple[str, LanguageSource]:
    """Return the language that an interview would have, and how it would be known."""
    words = _words_to_tell(prepared)
    if words is not None:
        told = detect(words, fallback=fallback)
        return told.language, LanguageSource(told.source)
    known = prepared.known
    if known and (known.source == LanguageSource.CORRECTED or not prepared.declared):
        return known.language, LanguageSource(known.source)
    return prepared.declared, LanguageSource.DECLARED


def _for_a_while(
    found: Iterable[Found], imported: Imported, seconds: float | None
) -> Iterator[Found]:
    """Yield what is `found` until `seconds` are over, and count in `imported` what was taken.

    What was passed over before the first costs none of them, so that every call gets on.
    """
    until = None
    for one in found:
        if until is None and seconds is not None:
            until = time.monotonic() + seconds
        yield one
        if isinstance(one, Note):
            continue  # it is one with the first interview of its file
        imported.read += 1
        if until is not None and time.monotonic() >= until:
            return
    imported.finished = True


def _settle_unit(study: Study, unit: str | None) -> None:
    """Keep `unit` as what the study codes, unless interviews were imported for another."""
    if unit is None or unit == study.unit:
        return
    checked_unit(unit)
    if study.transcripts.exists():
        raise Problem(
            _(
                "In “%(study)s” the unit of coding is “%(is)s”, so nothing can be imported for the "
                "unit “%(unit)s”: leave --unit out, or make another study."
            ),
            study=study.slug,
            unit=unit,
            **{"is": study.unit},
        )
    study.unit = unit
    study.save(update_fields=["unit"])


def _only_language(study: Study) -> str:
    """Return the study's language if all its interviews have the same; "und" else."""
    sure = study.transcripts.exclude(language_source=LanguageSource.UNSURE)
    languages = list(sure.order_by().values_list("language", flat=True).distinct()[:2])
    return languages[0] if len(languages) == 1 else UNDETERMINED


def withdrawn_from(study: Study) -> dict[str, datetime]:
    """Return the ids of the interviews that were taken back, and when."""
    return dict(study.withdrawn.values_list("external_id", "at"))


def _taken_back(at: datetime) -> Problem:
    return Problem(
        _("It was withdrawn on %(date)s and is not taken in again."), date=at.date().isoformat()
    )


def _prepared(
    found: Iterable[Found], study: Study, imported: Imported, gone: Mapping[str, datetime]
) -> Iterator[_Prepared]:
    """Yield what can be stored; what can't, or is worth a remark, goes into the report."""
    for one in found:
        if isinstance(one, Note):
            imported.note(Row(one.source, 0, 0, "", one.reason))
            continue
        if isinstance(one, LeftOut):
            imported.leave_out(Row(one.source, one.row, one.line, one.id, one.reason))
            continue
        # By their numbers, for two files may have one name; what is read again has the same number.
        place = imported.read, f"{one.source}:{one.row}" if one.row else one.source
        first = imported.places.setdefault(one.id, place)
        if first[0] != place[0]:
            reason = Problem(_("The same id stands in %(place)s already."), place=first[1])
            imported.leave_out(_row(one, reason))
            continue
        if one.id in gone:
            imported.leave_out(_row(one, _taken_back(gone[one.id])))
            continue
        turns = one.turns if one.turns is not None else split(one.text)
        if study.unit == Unit.INTERVIEW:
            segments = [(1, 0, len(one.text))]
        elif one.answers is not None:
            segments = one.answers
        else:
            cut = answers(with_roles(turns, study.speaker_roles))
            segments = [(index, start, end) for index, (start, end) in enumerate(cut, 1)]
        if not segments:
            reason = Problem(_("It has no words of a participant, so there is no answer to code."))
            imported.leave_out(_row(one, reason))
            continue
        declared = normalise(one.language) if one.language else ""
        if one.language and not declared:
            one.notes.append(
                Problem(
                    _("The language “%(language)s” is not known; it was told from the text."),
                    language=one.language[:60],
                )
            )
        for note in one.notes:
            imported.note(_row(one, note))
        digest = hashlib.sha256(one.text.encode()).hexdigest()
        yield _Prepared(one, digest, turns, segments, declared)


def _row(record: Record, reason: Problem) -> Row:
    return Row(record.source, record.row, record.line, record.id, reason)


def _batches(
    items: Iterable[Any], of: Callable[[Any], int] = lambda item: len(item.record.text)
) -> Iterator[list[Any]]:
    """Yield `items` in lists that are short enough to hold in memory."""
    batch: list[Any] = []
    characters = 0
    for item in items:
        batch.append(item)
        characters += of(item)
        if len(batch) >= BATCH or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _looked_up(study: Study, batch: list[_Prepared]) -> list[_Prepared]:
    """Say of each of `batch` what the study holds under its id."""
    rows = study.transcripts.filter(
        external_id__in=[prepared.record.id for prepared in batch]
    ).values_list(
        "external_id",
        "pk",
        "digest",
        "language",
        "language_source",
        "participant_id",
        "participant__attributes",
    )
    known = {row[0]: _Known(*row[1:]) for row in rows}
    for prepared in batch:
        prepared.known = known.get(prepared.record.id)
    return batch


def _words_to_tell(prepared: _Prepared) -> str | None:
    """Return the words to tell the language by; None where it is declared, or known already."""
    if prepared.declared or prepared.same:
        return None
    if prepared.known and prepared.known.source == LanguageSource.CORRECTED:
        return None
    text = prepared.record.text
    words = words_of(text, prepared.turns, most=MOST_WORDS)[: 4 * MOST_WORDS]
    return words if any(map(str.isalpha, words)) else text[: 4 * MOST_WORDS]


Told = tuple[_Prepared, Detected | None]


def _store(study: Study, batch: list[Told], imported: Imported) -> None:
    """Store `batch` in one transaction, and count it once that holds."""
    try:
        with transaction.atomic():
            outcome = _stored(study, batch)
    except IntegrityError:
        # Another import stored some of these just now: look again, and take them as they are.
        _looked_up(study, [prepared for prepared, _detected in batch])
        with transaction.atomic():
            outcome = _stored(study, batch)
    for name in ("created", "unchanged", "changed", "updated", "unsure_language"):
        setattr(imported, name, getattr(imported, name) + getattr(outcome, name))
    imported.languages.update(outcome.languages)
    for row in outcome.rows:
        imported.leave_out(row)


def _stored(study: Study, batch: list[Told]) -> Imported:
    outcome = Imported()
    # What is withdrawn meanwhile waits for this batch, or is gone for it.
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    ids = [prepared.record.id for prepared, _detected in batch]
    if gone := dict(study.withdrawn.filter(external_id__in=ids).values_list("external_id", "at")):
        for prepared, _detected in batch:
            if at := gone.get(prepared.record.id):
                outcome.leave_out(_row(prepared.record, _taken_back(at)))
        batch = [told for told in batch if told[0].record.id not in gone]
    new = [told for told in batch if told[0].known is None]
    changed = [told for told in batch if told[0].known and not told[0].same]
    _create(study, new, outcome)
    kept = _change(study, changed, outcome)
    _update(study, [prepared for prepared, _detected in batch if prepared.same], kept, outcome)
    return outcome


def _create(study: Study, new: list[Told], outcome: Imported) -> None:
    if not new:
        return
    # One person may have given several interviews.
    about = {
        _who(prepared.record): prepared.record.attributes for prepared, _detected in reversed(new)
    }
    there = {
        person.external_id: person
        for person in study.participants.filter(external_id__in=about.keys())
    }
    people = [
        Participant(study=study, external_id=name, attributes=attributes)
        for name, attributes in reversed(about.items())
        if name not in there
    ]
    there |= {person.external_id: person for person in Participant.objects.bulk_create(people)}
    transcripts = []
    for prepared, detected in new:
        row = Transcript(
            study=study,
            participant=there[_who(prepared.record)],
            external_id=prepared.record.id,
            source_name=prepared.record.source[-300:],
        )
        _write_text(row, prepared)
        _write_language(row, prepared, detected)
        outcome.unsure_language += row.language_source == LanguageSource.UNSURE
        outcome.languages[row.language] += 1
        transcripts.append(row)
    Transcript.objects.bulk_create(transcripts)
    Segment.objects.bulk_create(
        Segment(transcript=row, index=index, start=start, end=end)
        for row, (prepared, _detected) in zip(transcripts, new, strict=True)
        for index, start, end in prepared.segments
    )
    outcome.created += len(new)


def _who(record: Record) -> str:
    """Return the id of the participant: the interview's own, where nothing else is said."""
    return record.participant or record.id


def _change(study: Study, changed: list[Told], outcome: Imported) -> list[_Prepared]:
    """Take the new texts of interviews that nothing hangs on; return those taken."""
    pks = [prepared.known.pk for prepared, _detected in changed if prepared.known]
    if not pks:
        return []
    used = set(study.transcripts.filter(pk__in=pks).in_use().values_list("pk", flat=True))
    rows = {row.pk: row for row in study.transcripts.filter(pk__in=pks).defer("text", "turns")}
    taken = []
    segments = []
    for prepared, detected in changed:
        row = rows[prepared.known.pk] if prepared.known else None
        if row is None or row.pk in used:
            reason = Problem(
                _(
                    "Its text is not the one imported before, which is already coded or sampled; "
                    "the earlier text was kept. Import the new one under another id."
                )
            )
            outcome.leave_out(_row(prepared.record, reason))
            continue
        _write_text(row, prepared)
        if row.language_source != LanguageSource.CORRECTED:
            _write_language(row, prepared, detected)
            outcome.unsure_language += row.language_source == LanguageSource.UNSURE
        outcome.languages[row.language] += 1
        row.source_name = prepared.record.source[-300:]
        segments += [
            Segment(transcript=row, index=index, start=start, end=end)
            for index, start, end in prepared.segments
        ]
        taken.append(prepared)
        row.save()
    forget(study, [row.transcript_id for row in segments])
    Segment.objects.filter(transcript__in=[row.transcript_id for row in segments]).delete()
    Translation.objects.filter(transcript__in=[row.transcript_id for row in segments]).delete()
    Segment.objects.bulk_create(segments)
    outcome.changed += len(taken)
    return taken


def _update(
    study: Study, same: list[_Prepared], changed: list[_Prepared], outcome: Imported
) -> None:
    """Take attributes and declared languages that are new, of texts that are not."""
    people: list[Participant] = []
    languages: list[Transcript] = []
    for prepared in same + changed:
        known = prepared.known
        if known is None:
            continue
        merged = {**known.attributes, **prepared.record.attributes}
        other_people = merged != known.attributes
        if other_people:
            people.append(Participant(pk=known.participant, attributes=merged))
        other_language = (
            prepared.same
            and bool(prepared.declared)
            and known.source != LanguageSource.CORRECTED
            and (known.language, known.source) != (prepared.declared, LanguageSource.DECLARED)
        )
        if other_language:
            row = Transcript(pk=known.pk)
            _write_language(row, prepared, None)
            languages.append(row)
        if prepared.same:
            outcome.updated += other_people or other_language
            outcome.unchanged += not (other_people or other_language)
    Participant.objects.bulk_update(people, ["attributes"], batch_size=100)
    Transcript.objects.bulk_update(
        languages,
        ["language", "language_source", "language_probability", "language_votes"],
        batch_size=100,
    )


def _write_text(row: Transcript, prepared: _Prepared) -> None:
    row.text = prepared.record.text
    row.turns = [list(turn) for turn in prepared.turns]
    row.digest = prepared.digest
    row.length = len(prepared.record.text)


def _write_language(row: Transcript, prepared: _Prepared, detected: Detected | None) -> None:
    if detected is None:
        row.language = prepared.declared
        row.language_source = LanguageSource.DECLARED
        row.language_probability = None
        row.language_votes = {}
        return
    row.language = detected.language
    row.language_source = LanguageSource(detected.source)
    row.language_probability = detected.probability
    row.language_votes = {name: list(vote) for name, vote in detected.votes.items()}
