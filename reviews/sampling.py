"""Draw a probability sample of a study's segments, and say who is asked about what.

Strata follow the language, what the machine said, or an attribute of the participants; see
docs/decisions/0002. The frame is put in one order that no database decides, so that the same study,
arguments and seed give the same sample everywhere.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Min

from codebooks.models import Kind, Revision
from codebooks.revisions import current_revision, freeze
from coding.models import Answer, Coding, Mark, Run
from reviews.models import Assignment, Item, Purpose, Sample
from reviews.stats.designs import allocate, assign, draw, error_spread, inclusion
from studies.models import Segment, Study
from studies.people import coder_named
from studies.problems import Problem, _

RARE = 0.05  # a code is rare if the machine found it in a smaller share of what it coded
UNSURE = 0.6  # the machine is unsure of a segment if one of its marks is less certain
# The error expected where the machine tells no confidence: it said nothing at all, or no code.
ERROR_UNCODED, ERROR_UNSTATED = 0.5, 0.1
LEAST_ERROR, MOST_ERROR = 0.02, 0.5
LARGEST_SEED = 2**63 - 1
KEY_LENGTH = 200
BATCH = 2000


@dataclass(frozen=True)
class Unit:
    """A segment of the frame, with what strata are made of."""

    segment: int
    transcript: str
    index: int
    language: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Machine:
    """What a run said about each segment; one that is not in `coded` was not coded."""

    coded: frozenset[int]
    labelled: frozenset[int]
    rare: frozenset[int]
    confidence: dict[int, float]

    def label(self, segment: int) -> str:
        """Return which class of label the segment has."""
        if segment not in self.coded:
            return "uncoded"
        if segment not in self.labelled:
            return "none"
        return "rare" if segment in self.rare else "common"

    def certainty(self, segment: int) -> str:
        """Return how certain the least certain mark of the segment is."""
        if segment not in self.coded:
            return "uncoded"
        lowest = self.confidence.get(segment)
        if lowest is None:
            return "unstated"
        return "unsure" if lowest < UNSURE else "sure"

    def expected_error(self, segment: int) -> float:
        """Return how likely the machine is wrong about the segment, by its own account."""
        if segment not in self.coded:
            return ERROR_UNCODED
        lowest = self.confidence.get(segment)
        error = ERROR_UNSTATED if lowest is None else 1 - lowest
        return min(max(error, LEAST_ERROR), MOST_ERROR)


def current_sample(study: Study) -> Sample | None:
    """Return the sample that reviewers of `study` work on: the one drawn last."""
    return study.samples.filter(purpose=Purpose.REVIEW).order_by("-pk").first()


def draw_sample(
    study: Study,
    *,
    size: int,
    strata: Sequence[str] = (),
    coders: Sequence[str] = (),
    overlap: float = 0.0,
    seed: int | None = None,
    run: Run | None = None,
) -> Sample:
    """Draw `size` segments of `study`, a share `overlap` of them for two coders.

    `strata` are `language`, `label`, `confidence` or attributes of the participants. `run` is the
    latest that coded anything unless given; without one the sample is for people alone. Drawing
    again with the same arguments and seed gives the sample that is there.
    """
    coders = list(dict.fromkeys(name.strip() for name in coders if name.strip()))
    strata = list(dict.fromkeys(name.strip() for name in strata if name.strip()))
    _check(size, coders, overlap, seed)
    run = run or latest_run(study)
    revision = run.revision if run else current_revision(study)
    frame = load_frame(study)
    machine = load_machine(run) if run else None
    keys = stratify(frame, strata, machine)
    names, stratum = np.unique(np.array(keys, dtype=object), return_inverse=True)
    _check_size(size, len(frame), len(names))

    sizes = np.bincount(stratum, minlength=len(names))
    spread = None
    if machine and machine.confidence:
        errors = np.array([machine.expected_error(unit.segment) for unit in frame])
        # Rounded: databases add up in different orders, and the sample must not depend on it.
        means = np.bincount(stratum, errors, len(names)) / sizes
        spread = error_spread(means.round(6))
    drawn = allocate(sizes, size, spread=spread)
    seed = secrets.randbelow(2**31) if seed is None else seed
    design = {
        "size": size,
        "strata": strata,
        "sizes": [
            {"key": str(key), "population": int(population), "drawn": int(number)}
            for key, population, number in zip(names, sizes, drawn, strict=True)
        ],
        "overlap": overlap,
        "coders": coders,
    }
    digest = frame_digest(frame, keys)

    with transaction.atomic():
        Study.objects.select_for_update().get(pk=study.pk)  # two people draw: one after the other
        same = Sample.objects.filter(
            study=study, revision=revision, run=run, seed=seed, frame_digest=digest
        )
        if already := next((sample for sample in same if sample.design == design), None):
            return already
        freeze(revision)
        sample = Sample.objects.create(
            study=study,
            revision=revision,
            run=run,
            design=design,
            seed=seed,
            frame_digest=digest,
        )
        rng = np.random.default_rng(seed)
        chosen = draw(stratum, drawn, rng)
        # Coders are asked in random order, so that the order tells nothing about the strata.
        chosen = chosen[np.argsort(rng.bit_generator.random_raw(chosen.size), kind="stable")]
        people = [coder_named(study, name) for name in coders]
        # Without named coders, seats are taken in the pool by whoever comes.
        seats = assign(chosen.size, len(people) or 2, overlap, rng)
        probability = inclusion(sizes, drawn)
        items = Item.objects.bulk_create(
            [
                Item(
                    sample=sample,
                    segment_id=frame[unit].segment,
                    position=position,
                    stratum=keys[unit],
                    inclusion=float(probability[stratum[unit]]),
                    coders_wanted=int((taken >= 0).sum()),
                )
                for position, (unit, taken) in enumerate(zip(chosen, seats, strict=True), 1)
            ],
            BATCH,
        )
        if people:
            _assign(items, people, seats)
        join_codings(sample)
    return sample


def join_codings(sample: Sample) -> int:
    """Count codings that people made of the sample's segments as answers; return how many joined.

    A person who was not asked about an item they have coded gets the assignment they answered.
    """
    codings = Coding.objects.by_people().filter(
        revision=sample.revision_id, segment__items__sample=sample
    )
    items = dict(sample.items.values_list("segment_id", "pk"))
    asked = {
        (assignment.item_id, assignment.person_id): assignment
        for assignment in Assignment.objects.filter(item__sample=sample)
    }
    answered, made = [], []
    for pk, segment, person, at in codings.values_list(
        "pk", "segment_id", "person_id", "created_at"
    ):
        assignment = asked.get((items[segment], person))
        if assignment is None:
            made.append(
                Assignment(item_id=items[segment], person_id=person, coding_id=pk, answered_at=at)
            )
        elif assignment.coding_id is None:
            assignment.coding_id = pk
            assignment.answered_at = at
            assignment.skipped_because = ""
            answered.append(assignment)
    Assignment.objects.bulk_create(made, BATCH)
    Assignment.objects.bulk_update(answered, ["coding", "answered_at", "skipped_because"], BATCH)
    return len(made) + len(answered)


def latest_run(study: Study) -> Run | None:
    """Return the latest run of `study` that has coded anything."""
    return next(
        (
            run
            for run in study.runs.filter(replicate=0).order_by("-pk").iterator()
            if run.codings.exists()
        ),
        None,
    )


def load_frame(study: Study) -> list[Unit]:
    """Return every segment of `study`, in the order of interviews' ids and numbers."""
    rows = (
        Segment.objects.filter(transcript__study=study)
        .order_by()
        .values_list(
            "pk",
            "transcript__external_id",
            "index",
            "transcript__language",
            "transcript__participant__attributes",
        )
    )
    frame = [Unit(*row) for row in rows.iterator(chunk_size=BATCH)]
    if not frame:
        raise Problem(_("The study “%(study)s” has no interviews yet."), study=study.slug)
    # Sorted here, since databases disagree about the order of letters.
    return sorted(frame, key=lambda unit: (unit.transcript, unit.index))


def load_machine(run: Run) -> Machine:
    """Return what `run` said about each segment, as far as strata are made of it."""
    coded = frozenset(run.codings.values_list("segment_id", flat=True))
    marks = Mark.objects.filter(coding__run=run, answer=Answer.YES)
    labels = marks.exclude(code__dimension__kind=Kind.SCALE).order_by()
    counts = labels.values_list("code_id").annotate(count=Count("pk"))
    rare_codes = [code for code, count in counts if count < RARE * len(coded)]
    segments = labels.values_list("coding__segment_id", flat=True).distinct()
    confidence = (
        marks.filter(confidence__isnull=False)
        .order_by()
        .values_list("coding__segment_id")
        .annotate(lowest=Min("confidence"))
    )
    return Machine(
        coded=coded,
        labelled=frozenset(segments),
        rare=frozenset(segments.filter(code__in=rare_codes)),
        confidence=dict(confidence),
    )


def stratify(frame: Sequence[Unit], names: Sequence[str], machine: Machine | None) -> list[str]:
    """Return the stratum of each unit: its values of `names`, joined."""
    known = sorted({name for unit in frame for name in unit.attributes})
    values: list[Callable[[Unit], str]] = []
    for name in names:
        if name == "language":
            values.append(lambda unit: unit.language)
        elif name in ("label", "confidence"):
            if machine is None:
                raise Problem(
                    _(
                        "Strata by “%(name)s” follow what the machine said, and it has coded "
                        "nothing yet: start with `manage.py code`."
                    ),
                    name=name,
                )
            said = machine.label if name == "label" else machine.certainty
            values.append(lambda unit, said=said: said(unit.segment))  # type: ignore[misc]
        elif name in known:
            values.append(lambda unit, name=name: attribute(unit, name))  # type: ignore[misc]
        else:
            raise Problem(
                _("There are no strata “%(name)s”: choose among %(known)s."),
                name=name,
                known=", ".join(dict.fromkeys(["language", "label", "confidence", *known])),
            )
    return [" / ".join(value(unit) for value in values)[:KEY_LENGTH] for unit in frame]


def attribute(unit: Unit, name: str) -> str:
    """Return the participant's `name` as text, "" if there is none."""
    value = unit.attributes.get(name)
    return "" if value is None else str(value)


def frame_digest(frame: Sequence[Unit], keys: Sequence[str]) -> str:
    """Return the SHA-256 of what the sample was drawn from: interview, segment and stratum.

    >>> unit = Unit(1, "t1", 1, "en", {})
    >>> frame_digest([unit], ["en"]) == frame_digest([unit], ["de"])
    False
    """
    digest = hashlib.sha256()
    for unit, key in zip(frame, keys, strict=True):
        line = json.dumps([unit.transcript, unit.index, key], ensure_ascii=False)
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def revision_in_use(study: Study) -> Revision:
    """Return the revision that people of `study` code with now."""
    if sample := current_sample(study):
        return sample.revision
    run = latest_run(study)
    return run.revision if run else current_revision(study)


def _check(size: int, coders: Sequence[str], overlap: float, seed: int | None) -> None:
    if size < 1:
        raise Problem(_("A sample needs at least one segment."))
    if not 0 <= overlap <= 1:
        raise Problem(
            _("The overlap is a share from 0 to 1, such as 0.2, not %(given)s."), given=overlap
        )
    if overlap and len(coders) == 1:
        raise Problem(
            _("Two coders are needed for an overlap: name another one, or leave the overlap out.")
        )
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise Problem(_("A seed is a whole number from 0 to %(most)d."), most=LARGEST_SEED)


def _check_size(size: int, population: int, strata: int) -> None:
    if size > population:
        raise Problem(
            _(
                "The study has %(population)d segments, so a sample of %(size)d can’t be drawn: "
                "ask for %(population)d or fewer."
            ),
            population=population,
            size=size,
        )
    if size < strata:
        raise Problem(
            _(
                "A sample of %(size)d is too small for %(strata)d strata: draw %(strata)d or more, "
                "or name fewer strata."
            ),
            size=size,
            strata=strata,
        )


def _assign(items: Sequence[Item], people: Sequence[User], seats: Any) -> None:
    Assignment.objects.bulk_create(
        [
            Assignment(item=item, person=people[coder])
            for item, taken in zip(items, seats, strict=True)
            for coder in taken
            if coder >= 0
        ],
        BATCH,
    )
