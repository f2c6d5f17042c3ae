"""Take interviews out of a study, with all that hangs on them: a participant took back consent.

What goes, what stays and what that means for samples: docs/decisions/0010.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, Sum

from coding.leases import finish
from coding.models import Attempt, Coding, Evidence, Run, TranslationAttempt, Work
from reviews.models import Assignment, Item, Ruling, Sample
from reviews.sampling import Frame, find_rare, frame_digest, frame_of, load_frame
from studies.audit import Action, record
from studies.models import Participant, Segment, Study, Transcript, Withdrawn
from studies.problems import Problem, _
from studies.search import erase

BATCH = 100  # interviews whose rows are looked through at once


@dataclass(frozen=True)
class Hanging:
    """What hangs on an interview: codings, the items of samples that it is, and what they hold.

    `by_people` are all codings of people; `requests` to code or to translate cost `cost`, in USD.
    """

    segments: int
    by_machine: int
    by_people: int
    passages: int
    items: int
    rulings: int
    translations: int
    requests: int
    cost: Decimal

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {**asdict(self), "cost": float(self.cost)}


@dataclass(frozen=True)
class Gone:
    """An interview that was withdrawn, what hung on it, and whether its participant went, too."""

    id: str
    hung: Hanging
    participant: bool

    @property
    def counts(self) -> dict[str, Any]:
        """What there was of it, as the trail keeps it."""
        counts = {**self.hung.as_json(), "participants": int(self.participant)}
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True)
class _Row:
    """An interview that is to go, without its text."""

    pk: int
    id: str
    participant: int
    imported_at: datetime


def named(study: Study, ids: Sequence[str], *, whole: bool = False) -> list[int]:
    """Return the keys of the interviews called `ids`; `whole`, with all of their participants."""
    found = dict(study.transcripts.filter(external_id__in=ids).values_list("external_id", "pk"))
    for name in ids:
        if name not in found:
            gone = study.withdrawn.filter(external_id=name).first()
            if gone is not None:
                raise Problem(
                    _("“%(id)s” was withdrawn from “%(study)s” already, on %(date)s."),
                    id=name,
                    study=study.slug,
                    date=gone.at.date().isoformat(),
                )
            raise Problem(
                _("There is no interview “%(id)s” in “%(study)s”."), id=name, study=study.slug
            )
    return with_others(study, found.values()) if whole else sorted(found.values())


def with_others(study: Study, transcripts: Collection[int]) -> list[int]:
    """Return the keys of these interviews and of all others that their participants gave."""
    people = study.participants.filter(transcripts__in=transcripts)
    return list(
        study.transcripts.filter(participant__in=people).order_by("pk").values_list("pk", flat=True)
    )


def hanging(transcript: int) -> Hanging:
    """Return what hangs on the interview with this key."""
    codings = Coding.objects.filter(segment__transcript=transcript)
    evidence = Evidence.objects.filter(mark__coding__segment__transcript=transcript)
    items = Item.objects.filter(segment__transcript=transcript)
    ledgers = (
        Attempt.objects.filter(work__segment__transcript=transcript),
        TranslationAttempt.objects.filter(transcript=transcript),
    )
    asked = [rows.aggregate(requests=Count("pk"), cost=Sum("cost")) for rows in ledgers]
    translated = evidence.exclude(translation="").count()
    row = Transcript.objects.only("pk").get(pk=transcript)
    return Hanging(
        segments=Segment.objects.filter(transcript=transcript).count(),
        by_machine=codings.filter(run__isnull=False).count(),
        by_people=codings.filter(person__isnull=False).count(),
        passages=evidence.count(),
        items=items.count(),
        rulings=Ruling.objects.filter(item__in=items).count(),
        translations=translated + row.translations.count(),
        requests=sum(one["requests"] for one in asked),
        cost=sum((one["cost"] or Decimal(0) for one in asked), Decimal(0)),
    )


def withdraw(
    study: Study, transcripts: Collection[int], *, why: str = "", by: User | None = None
) -> list[Gone]:
    """Remove the interviews with these keys, and participants who have no other, all or none.

    Codings, rulings, samples' items, ledger, evidence, translations and the search index go with
    them. What stays is a line each in the trail, `why` in it, and the id, which no import brings
    back. Samples lose them from the population and from what was drawn alike.
    """
    _leave_no_trace()
    with transaction.atomic():
        Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        rows = [
            _Row(*row)
            for row in study.transcripts.filter(pk__in=transcripts)
            .order_by("pk")
            .values_list("pk", "external_id", "participant_id", "imported_at")
        ]
        keys = [row.pk for row in rows]
        _hold(keys)
        hung = {row.pk: hanging(row.pk) for row in rows}
        _tell_samples(study, rows)
        runs = list(Run.objects.filter(work__segment__transcript__in=keys).distinct())
        erase(study, keys)
        for start in range(0, len(keys), BATCH):
            some = keys[start : start + BATCH]
            Item.objects.filter(segment__transcript__in=some).delete()
            Transcript.objects.filter(pk__in=some).only("pk").delete()
        for run in runs:
            finish(run)  # which may have waited for these alone
        people = Participant.objects.filter(pk__in={row.participant for row in rows})
        alone = set(people.filter(transcripts=None).values_list("pk", flat=True))
        people.filter(pk__in=alone).delete()
        Withdrawn.objects.bulk_create(
            [Withdrawn(study=study, external_id=row.id) for row in rows], ignore_conflicts=True
        )
        gone = [Gone(row.id, hung[row.pk], row.participant in alone) for row in rows]
        for one in gone:
            record(
                study,
                by,
                Action.WITHDRAWN,
                one.id,
                before=one.counts,
                after={"why": why.strip()},
            )
    return gone


def _leave_no_trace() -> None:
    """Have SQLite write over what it removes; in its file it would stay until room is needed."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")
            cursor.fetchall()


def _hold(keys: Sequence[int]) -> None:
    """Let whoever writes about these interviews end, and nobody begin, until they are gone.

    In the order in which others take these rows: an answer, a worker's result, what hangs on both.
    """
    for rows in (
        Item.objects.filter(segment__transcript__in=keys),
        Assignment.objects.filter(item__segment__transcript__in=keys),
        Work.objects.filter(segment__transcript__in=keys),
        Segment.objects.filter(transcript__in=keys),
        Transcript.objects.filter(pk__in=keys),
    ):
        locked = rows.order_by("pk").select_for_update(of=("self",))
        for _key in locked.values_list("pk", flat=True).iterator(chunk_size=10_000):
            pass


def _tell_samples(study: Study, rows: Sequence[_Row]) -> None:
    """Write into the design of every sample what it loses, while the strata can still be told."""
    samples = list(Sample.objects.select_for_update().filter(study=study).order_by("pk"))
    if not samples:
        return
    imported = dict(
        Segment.objects.filter(transcript__in=[row.pk for row in rows]).values_list(
            "pk", "transcript__imported_at"
        )
    )
    transcript = dict(Segment.objects.filter(pk__in=imported).values_list("pk", "transcript_id"))
    units = load_frame(study)
    for sample in samples:
        frame = frame_of(sample, units)
        # What came later was never in the frame.
        lost = {pk for pk, at in imported.items() if frame.stands or at <= sample.created_at}
        if not lost:
            continue
        design = {**sample.design, "withdrawn": {**sample.design.get("withdrawn", {})}}
        told = design["withdrawn"]
        for name, more in (
            ("interviews", len({transcript[pk] for pk in lost})),
            ("segments", len(lost)),
            ("items", sample.items.filter(segment__in=lost).count()),
        ):
            told[name] = told.get(name, 0) + more
        if frame.stands or not design.get("strata"):
            # Of a frame that changed before, strata are not known; one alone is all of it.
            design["sizes"] = _smaller(design.get("sizes", []), frame, lost)
        if frame.stands:
            told["frame_digest"] = _digest_without(frame, lost)
            if sample.run and "label" in design.get("strata", []):
                design.setdefault("rare", find_rare(sample.run))
        sample.design = design
        sample.save(update_fields=["design"])


def _smaller(
    sizes: Sequence[dict[str, Any]], frame: Frame, lost: Collection[int]
) -> list[dict[str, Any]]:
    """Return the strata of a design, each with how many of its segments are `lost` in all."""
    fewer = Counter(
        key for unit, key in zip(frame.units, frame.keys, strict=True) if unit.segment in lost
    )
    return [
        {**size, "withdrawn": size.get("withdrawn", 0) + fewer[size["key"]]}
        if fewer[size["key"]]
        else size
        for size in sizes
    ]


def _digest_without(frame: Frame, lost: Collection[int]) -> str:
    left = [
        (unit, key)
        for unit, key in zip(frame.units, frame.keys, strict=True)
        if unit.segment not in lost
    ]
    return frame_digest([unit for unit, _key in left], [key for _unit, key in left])
