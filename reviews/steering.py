"""What a lead steers by: who has done what and how fast, what is left, and where it goes wrong.

Counts and durations only: nothing here tells what the machine or anybody said of an interview,
but for the disagreements, which are kept from whoever has still to code blind. All of it is for the
lead; a coder is shown their own pace and nobody else's.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from statistics import median

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, Max, Q, Value
from django.db.models.functions import Length, Replace, Substr
from django.utils import timezone
from django.utils.text import capfirst

from codebooks.models import Kind
from reviews.adjudication import NEAR, Case, Pair, cases, pairs
from reviews.models import Assignment, Item, Sample, SkipReason
from reviews.reviewing import skip_reason
from reviews.sampling import (
    Unit,
    base_language,
    can_read,
    count_seats,
    reading,
    reads_language,
    rounds,
)
from reviews.stats.agreement import LEAST_POSITIVES, LEAST_UNITS
from reviews.stats.alpha import alpha, alpha_interval, binary_sums
from reviews.stats.arrays import Bools, Floats
from reviews.stats.designs import assign
from reviews.tables import Column, Question, load_reviewed
from reviews.translated import IN_SIGHT
from studies.audit import Action, record
from studies.models import Membership, Study
from studies.problems import Problem, _

FAST = 10.0
"""Seconds per 1,000 words below which an answer is called fast."""
SKIPS_MUCH = 0.2
"""The share of skips above which a coder is said to skip much, of ten or more interviews."""
LEAST_ANSWERS = 10
UNSURE_MUCH = 0.1
"""The share of answers "unsure" above which a code is in trouble, of five or more."""
LEAST_UNSURE = 5
LOW = 0.667
REASONS = 20
# Scripts that leave no spaces between words: two characters count as one.
UNSPACED = ("zh", "ja", "th", "lo", "km", "my", "bo", "dz")


@dataclass(frozen=True)
class Pace:
    """How fast somebody works: answers that were timed, and how many of them are fast.

    `median` is in seconds per 1,000 words, None where nothing was timed.
    """

    timed: int
    median: float | None
    fast: int

    @property
    def rushes(self) -> bool:
        """Whether half of what was timed, or more, was fast."""
        return self.median is not None and self.median < FAST


@dataclass(frozen=True)
class Worker:
    """What one person did in a sample and its earlier rounds.

    `translated` counts answers given with a translation of the interview in sight.
    """

    person: int
    name: str
    reads: tuple[str, ...]
    asked: int
    answered: int
    skipped: int
    open: int
    flagged: int
    last: datetime | None
    pace: Pace
    translated: int = 0

    @property
    def skips_much(self) -> bool:
        """Whether they skip more than a fifth of at least ten."""
        seen = self.answered + self.skipped
        return seen >= LEAST_ANSWERS and self.skipped > SKIPS_MUCH * seen


@dataclass(frozen=True)
class Left:
    """What is left in one language: seats wanted and answered, handed out, and free."""

    language: str
    items: int
    wanted: int
    answered: int
    open: int
    free: int
    readers: tuple[str, ...]


@dataclass(frozen=True)
class Flag:
    """An interview that a coder flagged for the lead, and why."""

    name: str
    interview: str
    transcript: int
    language: str
    why: str
    at: datetime | None


@dataclass(frozen=True)
class Lease:
    """A seat that is kept for somebody of the pool who has not answered."""

    name: str
    items: int
    shown: int
    until: datetime


@dataclass(frozen=True)
class Trouble:
    """A code that coders have trouble with: alpha is low, or many answers are unsure.

    `status` is ok, no_pairs, no_variation or too_few_positives, as in the report; `alpha` is None
    unless it is ok. `met` counts pairs of answers, `differ` those that contradict each other.
    """

    dimension: str
    code: str | None
    label: str
    alpha: float | None
    status: str
    met: int
    differ: int
    answers: int
    unsure: int

    @property
    def low(self) -> bool:
        """Whether alpha is below .667."""
        return self.alpha is not None and self.alpha < LOW

    @property
    def unsure_much(self) -> bool:
        """Whether more than a tenth of the answers, five or more, are unsure."""
        return self.unsure >= LEAST_UNSURE and self.unsure > UNSURE_MUCH * self.answers


@dataclass(frozen=True)
class Differences:
    """Where coders differ so far: by pair and by code; see `Trouble` for which codes are listed."""

    cases: tuple[Case, ...]
    pairs: tuple[Pair, ...]
    codes: tuple[Trouble, ...]

    @property
    def trouble(self) -> list[Trouble]:
        """The codes in trouble."""
        return [one for one in self.codes if one.low or one.unsure_much]

    @property
    def open(self) -> int:
        """How many disagreements nobody ruled on."""
        return sum(not case.ruled for case in self.cases)


def workers(sample: Sample) -> list[Worker]:
    """Return everybody who is asked, by name and not by any score."""
    samples = rounds(sample)
    study = sample.study
    rows = (
        Assignment.objects.filter(item__sample__in=samples)
        .order_by()
        .values_list("person_id", "person__username")
        .annotate(
            asked=Count("pk", filter=Q(returned_at=None) | Q(answered_at__isnull=False)),
            answered=Count("pk", filter=Q(coding__isnull=False)),
            skipped=Count("pk", filter=Q(coding=None) & ~Q(skipped_because="")),
            open=Count("pk", filter=Q(answered_at=None, returned_at=None)),
            flagged=Count("pk", filter=~Q(flagged_because="")),
            last=Max("answered_at"),
        )
    )
    translated = dict(
        Assignment.objects.filter(IN_SIGHT, item__sample__in=samples)
        .order_by()
        .values_list("person_id")
        .annotate(count=Count("pk"))
    )
    paces = _paces(samples)
    names = dict(study.memberships.values_list("person_id", "name"))
    reads = reading(study)
    found = [
        Worker(
            person=person,
            name=names.get(person, username),
            reads=reads.get(person, ()),
            asked=asked,
            answered=answered,
            skipped=skipped,
            open=open_,
            flagged=flagged,
            last=last,
            pace=paces.get(person, Pace(0, None, 0)),
            translated=translated.get(person, 0),
        )
        for person, username, asked, answered, skipped, open_, flagged, last in rows
    ]
    return sorted(found, key=lambda worker: (worker.name.casefold(), worker.person))


def own_pace(sample: Sample, person: User) -> tuple[int, Pace]:
    """Return how many interviews `person` answered, and how fast: for nobody's eyes but theirs."""
    samples = rounds(sample)
    count = Assignment.objects.filter(
        item__sample__in=samples, person=person, coding__isnull=False
    ).count()
    return count, _paces(samples, person).get(person.pk, Pace(0, None, 0))


def left(sample: Sample) -> list[Left]:
    """Return what is left to do, by language."""
    samples = rounds(sample)
    rows = (
        Item.objects.filter(sample__in=samples)
        .order_by()
        .values_list("language", "coders_wanted", "taken")
        .annotate(items=Count("pk"))
    )
    answered = dict(
        Assignment.objects.filter(item__sample__in=samples, coding__isnull=False)
        .order_by()
        .values_list("item__language")
        .annotate(count=Count("pk"))
    )
    waiting = dict(
        Assignment.objects.filter(item__sample__in=samples, answered_at=None, returned_at=None)
        .order_by()
        .values_list("item__language")
        .annotate(count=Count("pk"))
    )
    counts: dict[str, list[int]] = {}
    for language, wanted, taken, items in rows:
        own = counts.setdefault(language, [0, 0, 0])
        own[0] += items
        own[1] += wanted * items
        own[2] += max(wanted - taken, 0) * items
    members = Membership.objects.filter(study=sample.study, person__in=_asked(samples))
    readers = [(one.name, tuple(one.reads)) for one in members.order_by("name")]
    return [
        Left(
            language=language,
            items=items,
            wanted=wanted,
            answered=answered.get(language, 0),
            open=waiting.get(language, 0),
            free=free,
            readers=tuple(name for name, reads in readers if reads_language(reads, language)),
        )
        for language, (items, wanted, free) in sorted(counts.items())
    ]


def skipped(sample: Sample) -> list[tuple[str, int]]:
    """Return why coders skipped, in words, the most frequent reasons first, and how often each."""
    rows = Assignment.objects.filter(item__sample__in=rounds(sample), coding=None)
    counts = rows.exclude(skipped_because="").order_by().values_list("skipped_because")
    found: Counter[str] = Counter()
    for because, count in counts.annotate(count=Count("pk")):
        why, note = skip_reason(because)
        found[note or capfirst(str(SkipReason(why).label))] += count
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))[:REASONS]


def flags(sample: Sample) -> list[Flag]:
    """Return what coders flagged for the lead, the latest first."""
    names = dict(sample.study.memberships.values_list("person_id", "name"))
    rows = (
        Assignment.objects.filter(item__sample__in=rounds(sample))
        .exclude(flagged_because="")
        .order_by("-answered_at", "-pk")
        .values_list(
            "person_id",
            "person__username",
            "item__segment__transcript__external_id",
            "item__segment__transcript",
            "item__segment__transcript__language",
            "flagged_because",
            "answered_at",
        )
    )
    return [
        Flag(names.get(person, username), interview, transcript, language, why, at)
        for person, username, interview, transcript, language, why, at in rows
    ]


def leases(sample: Sample) -> list[Lease]:
    """Return who of the pool has seats that are kept for them now, and until when."""
    names = dict(sample.study.memberships.values_list("person_id", "name"))
    rows = Assignment.objects.filter(
        item__sample__in=rounds(sample),
        answered_at=None,
        returned_at=None,
        held_until__gt=timezone.now(),
    ).values_list("person_id", "person__username", "shown_at", "held_until")
    by: dict[str, list[tuple[bool, datetime]]] = {}
    for person, username, shown, until in rows:
        if until is not None:
            by.setdefault(names.get(person, username), []).append((shown is not None, until))
    return [
        Lease(name, len(own), sum(shown for shown, _ in own), max(until for _, until in own))
        for name, own in sorted(by.items())
    ]


def differences(sample: Sample) -> Differences:
    """Return where coders differ so far; for nobody who has still to code blind."""
    table = load_reviewed(rounds(sample))
    people = table.people
    if not len(people.unit):
        return Differences((), (), ())
    applies, looked = people.counts()
    estimates = alpha(binary_sums(applies, looked))
    codes: list[Trouble] = []
    for question in table.guide.questions:
        for at, code in enumerate(question.codes, question.first):
            if question.kind == Kind.SCALE:
                codes.append(_scale(question, code, people.ratings(people.decisions.values[:, at])))
                continue
            size, yes = looked[:, at], applies[:, at]
            paired = size >= 2
            met = int((size * (size - 1) / 2)[paired].sum())
            unsure = int(people.unsure[:, at].sum())
            estimate, positives = float(estimates[at]), int(yes[paired].sum())
            status = "ok" if positives >= LEAST_POSITIVES else "too_few_positives"
            if not met or math.isnan(estimate):
                status = "no_variation" if met else "no_pairs"
            codes.append(
                Trouble(
                    dimension=question.key,
                    code=code.key,
                    label=code.label,
                    alpha=estimate if status == "ok" else None,
                    status=status,
                    met=met,
                    differ=int((yes * (size - yes))[paired].sum()),
                    answers=int(size.sum()) + unsure,
                    unsure=unsure,
                )
            )
    return Differences(tuple(cases(sample, table)), tuple(pairs(table)), tuple(codes))


def hand_over(
    sample: Sample,
    giver: User,
    taker: User | None,
    *,
    count: int | None = None,
    by: User | None = None,
) -> tuple[int, int]:
    """Take up to `count` open seats of `giver` back, and give them to `taker` if there is one.

    Return how many went, and how many stayed since `taker` does not read them, trained on them or
    has them already. What `giver` had entered is kept with them and shown to nobody else.
    """
    if taker is not None and taker == giver:
        raise Problem(_("Name another coder to take over."))
    moved = stayed = 0
    with transaction.atomic():
        for one in rounds(sample):
            Sample.objects.select_for_update().get(pk=one.pk)
            rows = list(
                Assignment.objects.select_for_update(of=("self",))
                .filter(item__sample=one, person=giver, answered_at=None, returned_at=None)
                .order_by("item__position")
                .select_related("item__segment__transcript")
            )
            if taker is not None:
                able = _able(one, [taker], [row.item for row in rows])
                stayed += sum(not fits for (fits,) in able)
                rows = [row for row, (fits,) in zip(rows, able, strict=True) if fits]
            rows = rows[: None if count is None else max(count - moved, 0)]
            Assignment.objects.filter(pk__in=[row.pk for row in rows]).update(
                returned_at=timezone.now()
            )
            if taker is not None:
                _seat([(row.item, taker) for row in rows])
            count_seats(one)
            moved += len(rows)
        record(
            sample.study,
            by,
            Action.ASSIGNED,
            str(sample.pk),
            before={"coder": _name(sample.study, giver), "seats": moved},
            after={"coder": _name(sample.study, taker) if taker else None, "seats": moved},
        )
    return moved, stayed


def fill_seats(sample: Sample, people: Sequence[User], *, by: User | None = None) -> int:
    """Give the free seats of `sample` and its rounds to `people` who read them; return how many."""
    if not people:
        raise Problem(_("Name the coders who are to get the open seats."))
    filled = 0
    with transaction.atomic():
        for one in rounds(sample):
            Sample.objects.select_for_update().get(pk=one.pk)
            count_seats(one)
            items = list(
                one.items.filter(taken__lt=F("coders_wanted"))
                .order_by("position")
                .select_related("segment__transcript")
            )
            if not items:
                continue
            able = _able(one, people, items)
            missing = np.array([item.coders_wanted - item.taken for item in items])
            open_ = Counter(
                Assignment.objects.filter(
                    item__sample=one, person__in=people, answered_at=None, returned_at=None
                ).values_list("person_id", flat=True)
            )
            load = np.array([open_[person.pk] for person in people])
            seats = assign(missing, np.arange(len(items)), len(people), able, load)
            given = [
                (item, people[coder])
                for item, taken in zip(items, seats.tolist(), strict=True)
                for coder in taken
                if coder >= 0
            ]
            _seat(given)
            count_seats(one)
            filled += len(given)
        record(
            sample.study,
            by,
            Action.ASSIGNED,
            str(sample.pk),
            after={"coders": [_name(sample.study, person) for person in people], "seats": filled},
        )
    return filled


def _able(sample: Sample, people: Sequence[User], items: Sequence[Item]) -> Bools:
    """Return who of `people` can be asked about which of `items`, items × people."""
    units = [
        Unit(item.segment_id, "", item.segment.index, item.segment.transcript.language, {})
        for item in items
    ]
    able = can_read(sample.study, people, units)
    has = Assignment.objects.filter(item__in=[item.pk for item in items], person__in=people)
    mine = set(
        has.filter(Q(returned_at=None) | Q(answered_at__isnull=False)).values_list(
            "item_id", "person_id"
        )
    )
    for row, item in enumerate(items):
        for column, person in enumerate(people):
            able[row, column] &= (item.pk, person.pk) not in mine
    return able


def _seat(given: Sequence[tuple[Item, User]]) -> None:
    """Seat people at items for good; where they sat before, it is that assignment again."""
    Assignment.objects.bulk_create(
        [Assignment(item=item, person=person) for item, person in given],
        update_conflicts=True,
        unique_fields=["item", "person"],
        update_fields=["held_until", "returned_at"],
    )


def _name(study: Study, person: User) -> str:
    name = study.memberships.filter(person=person).values_list("name", flat=True).first()
    return str(name or person.get_username())


def _asked(samples: Sequence[Sample]) -> list[int]:
    """Return the keys of everybody who is asked in `samples`."""
    rows = Assignment.objects.filter(item__sample__in=samples).order_by()
    return list(rows.values_list("person", flat=True).distinct())


def _paces(samples: Sequence[Sample], person: User | None = None) -> dict[int, Pace]:
    """Return how fast each person works; words are counted where the texts are."""
    rows = Assignment.objects.filter(
        item__sample__in=samples, coding__isnull=False, seconds__isnull=False
    )
    if person is not None:
        rows = rows.filter(person=person)
    segment = "item__segment__"
    text = Substr(
        f"{segment}transcript__text",
        F(f"{segment}start") + 1,
        F(f"{segment}end") - F(f"{segment}start"),
    )
    bare = Replace(Replace(text, Value(" "), Value("")), Value("\n"), Value(""))
    found: dict[int, list[float]] = {}
    for who, seconds, language, characters, without in rows.order_by().values_list(
        "person_id", "seconds", "item__language", Length(text), Length(bare)
    ):
        spaced = base_language(language) not in UNSPACED
        words = characters - without + 1 if spaced else characters / 2
        found.setdefault(who, []).append((seconds or 0) * 1000 / max(words, 1))
    return {
        who: Pace(len(paces), median(paces), sum(pace < FAST for pace in paces))
        for who, paces in found.items()
    }


def _scale(question: Question, code: Column, ratings: Floats) -> Trouble:
    """Return how coders stand with a scale: its values, and how many pairs of them are apart."""
    counts = (~np.isnan(ratings)).sum(axis=0)
    estimate = alpha_interval(ratings)
    status = "ok" if (counts >= 2).sum() >= LEAST_UNITS else "too_few_units"
    if not (counts >= 2).any() or math.isnan(estimate):
        status = "no_variation" if (counts >= 2).any() else "no_pairs"
    wide = ((question.maximum or 0.0) - (question.minimum or 0.0)) * NEAR
    differ = sum(
        int((np.abs(ratings[one] - ratings[other]) > wide + 1e-9).sum())
        for one, other in combinations(range(len(ratings)), 2)
    )
    return Trouble(
        dimension=question.key,
        code=code.key,
        label=code.label,
        alpha=estimate if status == "ok" else None,
        status=status,
        met=int((counts * (counts - 1) // 2).sum()),
        differ=differ,
        answers=int(counts.sum()),
        unsure=0,
    )
