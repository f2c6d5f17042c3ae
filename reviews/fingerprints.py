"""A digest that changes whenever the report would, from counts and stamps and not from all rows.

Three kinds of rows, three ways to see that they are the same:

- what is only ever added and taken away: how many, the last key, and a sum over their keys;
- what also changes in place and is little: grouped by what it says, with a sum over the keys in
  each group, so that two rows that swap what they say are seen;
- what people said (marks and passages, up to hundreds of thousands): the `edition` that the
  database counts up in a coding, or a participant, whenever anything of it changes.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db.models import BigIntegerField, Case, Count, F, Max, Q, QuerySet, Sum, Value, When

from codebooks.models import Revision
from coding.models import Coding, Run, State, Work
from reviews.models import Assignment, Item, Ruling, Sample
from reviews.sampling import ASKED
from reviews.tables import rounds_of
from reviews.translated import IN_SIGHT
from studies.models import Membership, Participant, Segment, Study

VERSION = 5
"""Counts up when a report of the same rows would say something else, so that caches forget."""

WHY = (State.REFUSED, State.FAILED)
"""States of work whose reasons the report tells."""


def fingerprint(
    study: Study,
    revision: Revision,
    run: Run | None,
    sample: Sample | None,
    by: Sequence[str],
    replicates: int,
    seed: int,
) -> str:
    """Return a digest of all that the report of these is made of, as hexadecimal SHA-256."""
    book = revision.codebook
    people = Coding.objects.by_people().filter(revision=revision)
    said = _groups(people, "person_id", edition=F("edition") + 1)
    who = [row[0] for row in said]
    facts: list[Any] = [
        VERSION,
        [study.pk, study.slug, study.name, study.fictional],
        [revision.pk, revision.number, revision.digest, book.name, book.language],
        [list(by), replicates, seed],
        _interviews(study),
        _editions(Participant.objects.filter(study=study, edition__gt=0)),
        list(Membership.objects.filter(study=study).order_by("pk").values_list("pk", "name")),
        said,
        list(User.objects.filter(pk__in=who).order_by("pk").values_list("pk", "username")),
    ]
    if run:
        facts += [
            [run.pk, run.name, run.coder, run.model, run.prompt_digest, run.parameters],
            [run.created_at, run.finished_at, run.stopped_because],
            _said_by(run),
            _work(run),
        ]
    if sample:
        rounds = rounds_of(sample)
        asked = Assignment.objects.filter(item__sample__in=rounds)
        ruled = Ruling.objects.filter(item__sample__in=rounds)
        facts += [
            [[one.pk, one.seed, one.frame_digest, one.run_id, one.design] for one in rounds],
            [[one.created_at, one.revision_id] for one in rounds],
            _added(Item.objects.filter(sample__in=rounds)),
            _assignments(asked),
            list(asked.filter(IN_SIGHT).aggregate(n=Count("pk"), which=_sum(mixed("pk"))).values()),
            _groups(ruled, "code_id", "applies", "value"),
        ]
        if sample.run and sample.run_id != (run and run.pk):
            facts.append(_said_by(sample.run))
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


def mixed(key: str) -> Any:
    """Return an expression that scatters the whole numbers of `key` over 31 bits.

    Sums of keys alone are the same for 1 + 4 and for 2 + 3; of these they are not but by a chance
    of one in two thousand million. For keys up to four thousand million nothing leaves 63 bits.
    """
    scattered = ((F(key) * 48271) % 2147483647) * F(key)
    return scattered % Value(2147483629, output_field=BigIntegerField())


def _sum(expression: Any) -> Any:
    return Sum(expression, output_field=BigIntegerField())


def _added(rows: QuerySet[Any]) -> list[Any]:
    """Return how many rows there are and the last of them, each read from an index."""
    return [rows.count(), rows.order_by().aggregate(last=Max("pk"))["last"]]


def _editions(rows: QuerySet[Any]) -> list[Any]:
    """Return how many rows there are, and how often each was changed, in one number."""
    found = rows.order_by().aggregate(rows=Count("pk"), editions=_sum(mixed("pk") * F("edition")))
    return list(found.values())


def _groups(rows: QuerySet[Any], *fields: str, edition: Any = 1) -> list[Any]:
    """Return how many rows say the same in `fields`, and which they are, in one number."""
    found = rows.order_by().values_list(*fields)
    return sorted(found.annotate(rows=Count("pk"), which=_sum(mixed("pk") * edition)), key=str)


def _interviews(study: Study) -> list[Any]:
    """Return which segments are in which language: the text of one and its interview stay."""
    segments = Segment.objects.filter(transcript__study=study).order_by()
    found = segments.values_list("transcript__language").annotate(
        rows=Count("pk"), which=_sum(mixed("pk"))
    )
    return sorted(found, key=str)


def _said_by(run: Run) -> list[Any]:
    """Return how much a run has coded, and whether anything of it changed later."""
    return [_added(run.codings.all()), _editions(run.codings.filter(edition__gt=0))]


def _work(run: Run) -> list[Any]:
    """Return where a run stands with each segment; what is done is only counted, it stays so."""
    work = Work.objects.filter(run=run)
    going = [state for state in State.values if state not in (State.DONE, *WHY)]
    return [
        _added(work.filter(state=State.DONE)),
        _groups(work.filter(state__in=going), "state"),
        _groups(work.filter(state__in=WHY), "state", "reason"),
    ]


def _assignments(asked: QuerySet[Assignment]) -> list[Any]:
    """Return which assignments count, which are answered, and which were skipped."""
    is_asked = Case(When(ASKED, then=Value(1)), default=Value(0))
    is_skipped = Case(When(~Q(skipped_because=""), then=Value(1)), default=Value(0))
    counted = asked.annotate(asked=is_asked, skipped=is_skipped)
    return sorted(
        counted.order_by()
        .values_list("asked", "skipped", "person_id")
        .annotate(rows=Count("pk"), which=_sum(mixed("pk")), said=_sum(mixed("coding_id"))),
        key=str,
    )
