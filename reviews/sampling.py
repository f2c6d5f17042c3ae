"""Draw a probability sample of a study's segments, and say who is asked about what.

Strata follow the language, what the machine said, or an attribute of the participants; see
docs/decisions/0002. The frame is put in one order that no database decides, so that the same study,
arguments and seed give the same sample everywhere.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, Min, Q

from codebooks.models import Kind, Revision
from codebooks.revisions import current_revision, freeze
from coding.models import Answer, Coding, Mark, Run
from reviews.assigning import count_taken
from reviews.models import Assignment, Item, Purpose, Sample
from reviews.stats.arrays import Bools
from reviews.stats.designs import allocate, assign, choose, draw, error_spread, inclusion, seats
from studies.audit import Action, record
from studies.models import Membership, Segment, Study
from studies.people import coder_named
from studies.problems import Problem, _
from studies.seeds import check_seed, seed_or_new

RARE = 0.05  # a code is rare if the machine found it in a smaller share of what it coded
UNSURE = 0.6  # the machine is unsure of a segment if one of its marks is less certain
# The error expected where the machine tells no confidence: it said nothing at all, or no code.
ERROR_UNCODED, ERROR_UNSTATED = 0.5, 0.1
LEAST_ERROR, MOST_ERROR = 0.02, 0.5
MOST_CODERS = 100  # of one item: more is a slip of the finger
KEY_LENGTH = 200
BATCH = 2000
# Who is asked about an item, or was and answered; others gave the seat back, or it was taken back.
ASKED = Q(returned_at=None) | Q(answered_at__isnull=False)
NAMED = 5  # so many interviews are named in a sentence


@dataclass(frozen=True)
class Unit:
    """A segment of the frame, with what strata are made of."""

    segment: int
    transcript: str
    index: int
    language: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Frame:
    """The segments of a study with the strata of a sample's design.

    `stands` says that they are what it was drawn from, but for interviews withdrawn since.
    """

    units: Sequence[Unit]
    keys: Sequence[str]
    machine: "Machine | None"
    digest: str
    stands: bool


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


def rounds(sample: Sample) -> list[Sample]:
    """Return the rounds that `sample` is the last of, the first one first."""
    found = [sample]
    while (earlier := found[0].continues) is not None:
        found.insert(0, earlier)
    return found


def draw_sample(
    study: Study,
    *,
    size: int = 0,
    strata: Sequence[str] = (),
    coders: Sequence[str] = (),
    overlap: float = 0.0,
    per_item: int | None = None,
    assisted: float = 0.0,
    seed: int | None = None,
    run: Run | None = None,
    by: User | None = None,
) -> Sample:
    """Draw `size` segments of `study`: a share `overlap` for two coders, or all for `per_item`.

    With both, the share goes to `per_item` coders. Named coders get what they read
    (`Membership.reads`), in even parts. A share `assisted` is drawn for a second look, after the
    blind answer. `strata` are `language`, `label`, `confidence` or attributes of the participants.
    `run` is the latest that coded anything unless given; without one the sample is for people
    alone. Drawing again with the same arguments and seed gives the sample that is there.
    """
    strata = list(dict.fromkeys(name.strip() for name in strata if name.strip()))
    asked = who_codes(coders, overlap, per_item, assisted)
    _check(size, seed)
    run = run or latest_run(study)
    revision = run.revision if run else current_revision(study)
    frame = load_frame(study)
    machine = load_machine(run) if run else None
    keys = stratify(frame, strata, machine)
    names, stratum = np.unique(np.array(keys, dtype=object), return_inverse=True)
    _check_size(size, len(frame), len(names))

    sizes = np.bincount(stratum, minlength=len(names))
    spread = _spread(frame, stratum, machine) if machine else None
    drawn = allocate(sizes, size, spread=spread)
    design = {
        "size": size,
        "strata": strata,
        "sizes": [
            {"key": str(key), "population": int(population), "drawn": int(number)}
            for key, population, number in zip(names, sizes, drawn, strict=True)
        ],
        **asked,
    }
    with transaction.atomic():
        Study.objects.select_for_update().get(pk=study.pk)  # two people draw: one after the other
        return keep_sample(
            Sample(
                study=study,
                revision=revision,
                run=run,
                design=design,
                seed=seed_or_new(seed),
                frame_digest=frame_digest(frame, keys),
            ),
            frame,
            keys,
            by,
        )


def continue_sample(
    sample: Sample,
    *,
    size: int = 0,
    more: Mapping[str, int] | None = None,
    coders: Sequence[str] = (),
    overlap: float | None = None,
    per_item: int | None = None,
    assisted: float | None = None,
    seed: int | None = None,
    by: User | None = None,
) -> Sample:
    """Add a round to `sample`, from the segments that no earlier round drew.

    Either `size` segments, shared among the strata without looking at what people said, or `more`
    of the strata named, which may follow from it. Earlier rounds keep their items and inclusion
    probabilities. An item of this round has k_h / (N_h - n_h) as its own: the chance of being drawn
    now, given that it was not before. So in the first case the chance of being in any round is
    `1 - prod(1 - pi_r)`; in the second (`looked` in the design) every round speaks for itself.
    Who codes, the overlap and the assisted share are those of `sample` unless given.
    """
    earlier = rounds(sample)
    design = sample.design
    asked = who_codes(
        coders or design.get("coders", []),
        design.get("overlap", 0.0) if overlap is None else overlap,
        per_item or design.get("per_item"),
        design.get("assisted", 0.0) if assisted is None else assisted,
    )
    if more is None:
        _check(size, seed)
    else:
        _check(sum(more.values()), seed)
    now = frame_of(sample)
    frame, keys, machine = now.units, now.keys, now.machine
    if not now.stands:
        raise Problem(
            _(
                "The interviews, their languages or the machine’s codings changed after the sample "
                "was drawn, so it can’t be continued: draw a new sample."
            )
        )
    names, stratum = np.unique(np.array(keys, dtype=object), return_inverse=True)
    sizes = np.bincount(stratum, minlength=len(names))
    taken = set(
        Item.objects.filter(sample__in=[one.pk for one in earlier]).values_list(
            "segment_id", flat=True
        )
    )
    open_units = np.array([unit.segment not in taken for unit in frame])
    left = np.bincount(stratum[open_units], minlength=len(names))
    if more is None:
        _check_size(size, int(left.sum()), int((left > 0).sum()), left=True)
        spread = _spread(frame, stratum, machine) if machine else None
        number = np.zeros(len(names), np.int64)
        number[left > 0] = allocate(
            left[left > 0], size, spread=None if spread is None else spread[left > 0]
        )
    else:
        number = _more(more, names.tolist(), left)
    design = {
        "size": int(number.sum()),
        "strata": design["strata"],
        "sizes": [
            {"key": str(key), "population": int(all_), "left": int(rest), "drawn": int(count)}
            for key, all_, rest, count in zip(names, sizes, left, number, strict=True)
        ],
        **asked,
        **kept_rare(sample),
        "round": len(earlier) + 1,
        "looked": more is not None,
    }
    with transaction.atomic():
        Study.objects.select_for_update().get(pk=sample.study_id)
        return keep_sample(
            Sample(
                study=sample.study,
                revision=sample.revision,
                run=sample.run,
                continues=sample,
                design=design,
                seed=seed_or_new(seed),
                frame_digest=now.digest,
            ),
            [unit for unit, is_open in zip(frame, open_units, strict=True) if is_open],
            [key for key, is_open in zip(keys, open_units, strict=True) if is_open],
            by,
        )


def keep_sample(
    sample: Sample,
    frame: Sequence[Unit],
    keys: Sequence[str],
    by: User | None,
    chances: Mapping[int, float] | None = None,
) -> Sample:
    """Draw the items of `sample` from `frame` as its design says; return it, or one like it.

    `chances` say how likely each segment, by its key, came into the frame, where it is a sample.
    """
    study, design = sample.study, sample.design
    same = Sample.objects.filter(
        study=study,
        revision=sample.revision,
        run=sample.run,
        continues=sample.continues,
        seed=sample.seed,
        frame_digest=sample.frame_digest,
    )
    if already := next((one for one in same if one.design == design), None):
        return already
    if sample.continues_id and Sample.objects.filter(continues=sample.continues_id).exists():
        raise Problem(_("This sample was continued already: continue its latest round."))
    freeze(sample.revision)
    sample.save()
    place = {size["key"]: at for at, size in enumerate(design["sizes"])}
    stratum = np.array([place[key] for key in keys])
    drawn = np.array([size["drawn"] for size in design["sizes"]])
    sizes = np.bincount(stratum, minlength=len(drawn))
    rng = np.random.default_rng(sample.seed)
    chosen = draw(stratum, drawn, rng)
    # Coders are asked in random order, so that the order tells nothing about the strata.
    chosen = chosen[np.argsort(rng.bit_generator.random_raw(chosen.size), kind="stable")]
    people = [coder_named(study, name) for name in design["coders"]]
    share = design["overlap"]
    if (most := design.get("per_item")) and not share:
        share = 1.0
    wanted, order = seats(chosen.size, most or 2, share, rng)
    units = [frame[unit] for unit in chosen]
    # Without named coders, seats are taken in the pool by whoever comes.
    coder = assign(wanted, order, len(people), can_read(study, people, units)) if people else None
    # Drawn last, so that the rest is the same with and without a second look.
    second_look = choose(chosen.size, design.get("assisted", 0.0), rng)
    probability = inclusion(np.maximum(sizes, 1), drawn)
    items = Item.objects.bulk_create(
        [
            Item(
                sample=sample,
                segment_id=unit.segment,
                position=position + 1,
                stratum=keys[chosen[position]],
                inclusion=float(probability[stratum[chosen[position]]])
                * (chances[unit.segment] if chances else 1.0),
                coders_wanted=int(wanted[position]),
                language=base_language(unit.language),
                assisted=bool(second_look[position]),
            )
            for position, unit in enumerate(units)
        ],
        BATCH,
    )
    if coder is not None:
        _assign(items, people, coder)
    join_codings(sample)
    record(
        study,
        by,
        Action.SAMPLE_DRAWN,
        str(sample.pk),
        after={
            "items": len(items),
            "seed": sample.seed,
            "strata": design["strata"],
            "coders": design["coders"],
            "continues": sample.continues_id,
        },
    )
    return sample


def can_read(study: Study, people: Sequence[User], units: Sequence[Unit]) -> Bools:
    """Return who may be asked about which unit, units × people.

    People read the languages that their membership lists, or all of them, and are never asked
    blind about a segment that they have trained on: they have seen its key.
    """
    reads = reading(study)
    languages = {base_language(unit.language) for unit in units}
    able = {
        (person.pk, language): reads_language(reads.get(person.pk, ()), language)
        for person in people
        for language in languages
    }
    trained = set(
        Assignment.objects.filter(
            item__sample__study=study,
            item__sample__purpose=Purpose.TRAINING,
            person__in=[person.pk for person in people],
        ).values_list("person_id", "item__segment_id")
    )
    return np.array(
        [
            [
                able[person.pk, base_language(unit.language)]
                and (person.pk, unit.segment) not in trained
                for person in people
            ]
            for unit in units
        ],
        dtype=bool,
    ).reshape(len(units), len(people))


def reading(study: Study) -> dict[int, tuple[str, ...]]:
    """Return the languages that each member codes in, by the person's key; () means all."""
    rows = Membership.objects.filter(study=study).values_list("person_id", "reads")
    return {person: tuple(str(language) for language in reads) for person, reads in rows}


def reads_language(reads: Collection[str], language: str) -> bool:
    """Return whether who reads `reads` (nothing listed: every language) reads `language`.

    A variety counts as its language.

    >>> reads_language((), "ar"), reads_language(("pt",), "pt-BR"), reads_language(("en",), "und")
    (True, True, False)
    """
    return not reads or base_language(language) in {base_language(one) for one in reads}


def base_language(language: str) -> str:
    """Return a language without its variety, in small letters."""
    return language.split("-")[0].lower()


@dataclass(frozen=True)
class Vacant:
    """Seats in one language that no coder holds: too few of those named can read it."""

    language: str
    seats: int
    items: int
    interviews: tuple[str, ...]
    """The ids of the first of them."""

    @property
    def sentence(self) -> Problem:
        """What is missing, and what to do."""
        ids = ", ".join(self.interviews)
        return Problem(
            _(
                "Too few of the coders named read “%(language)s”, or they trained on these "
                "interviews: %(seats)d codings have nobody to make them (%(interviews)s). Name "
                "others or correct what they read, and hand the open seats out."
            ),
            language=self.language,
            seats=self.seats,
            interviews=ids if self.items <= len(self.interviews) else f"{ids} …",
        )


def vacant(sample: Sample) -> list[Vacant]:
    """Return the seats that wait for a coder who is not named yet; none where there is a pool."""
    if not sample.design.get("coders"):
        return []
    rows = (
        sample.items.filter(taken__lt=F("coders_wanted"))
        .order_by("position")
        .values_list(
            "language", "segment__transcript__external_id", F("coders_wanted") - F("taken")
        )
    )
    found: dict[str, list[tuple[str, int]]] = {}
    for language, interview, missing in rows:
        found.setdefault(language, []).append((interview, missing))
    return [
        Vacant(
            language,
            sum(missing for _, missing in own),
            len(own),
            tuple(dict.fromkeys(interview for interview, _ in own))[:NAMED],
        )
        for language, own in sorted(found.items())
    ]


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
            assignment.returned_at = None
            answered.append(assignment)
    Assignment.objects.bulk_create(made, BATCH)
    Assignment.objects.bulk_update(
        answered, ["coding", "answered_at", "skipped_because", "returned_at"], BATCH
    )
    count_seats(sample)
    return len(made) + len(answered)


def count_seats(sample: Sample) -> None:
    """Write down how many seats of each item of `sample` are answered or kept for somebody."""
    count_taken(sample.items.all())


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


def load_machine(run: Run, rare: Collection[int] | None = None) -> Machine:
    """Return what `run` said about each segment, as far as strata are made of it.

    `rare` are the codes, by their keys, that are taken to be rare; else those that are.
    """
    coded = frozenset(run.codings.values_list("segment_id", flat=True))
    marks = Mark.objects.filter(coding__run=run, answer=Answer.YES)
    labels = marks.exclude(code__dimension__kind=Kind.SCALE).order_by()
    rare_codes = find_rare(run) if rare is None else rare
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


def find_rare(run: Run) -> list[int]:
    """Return the keys of the codes that `run` found in a small share of what it coded."""
    marks = Mark.objects.filter(coding__run=run, answer=Answer.YES)
    labels = marks.exclude(code__dimension__kind=Kind.SCALE).order_by()
    counts = labels.values_list("code_id").annotate(count=Count("pk"))
    coded = run.codings.count()
    return sorted(code for code, count in counts if count < RARE * coded)


def frame_of(sample: Sample, units: Sequence[Unit] | None = None) -> Frame:
    """Return the segments of the study, or `units`, by the strata of `sample` as they are now.

    What was withdrawn leaves the frame and takes nothing else with it: which codes were rare stays
    as it was (`rare` in the design), and so do the strata of all that is left.
    """
    units = load_frame(sample.study) if units is None else units
    machine = load_machine(sample.run, sample.design.get("rare")) if sample.run else None
    names = sample.design.get("strata", [])
    keys = stratify(units, names, machine, drawn=True)
    digest = frame_digest(units, keys)
    return Frame(units, keys, machine, digest, digest == digest_of(sample))


def digest_of(sample: Sample) -> str:
    """Return the digest of what `sample` was drawn from, without what was withdrawn since."""
    now = sample.design.get("withdrawn", {}).get("frame_digest")
    return str(now or sample.frame_digest)


def kept_rare(sample: Sample) -> dict[str, Any]:
    """Return what a later design takes over of `sample`, so that its strata stay the same."""
    return {"rare": sample.design["rare"]} if "rare" in sample.design else {}


def still_there(size: Mapping[str, Any]) -> int:
    """Return how many segments of a stratum, as a design has it, were not withdrawn.

    >>> still_there({"key": "de", "population": 40, "drawn": 10, "withdrawn": 1})
    39
    """
    return int(size["population"]) - int(size.get("withdrawn", 0))


def stratify(
    frame: Sequence[Unit], names: Sequence[str], machine: Machine | None, *, drawn: bool = False
) -> list[str]:
    """Return the stratum of each unit: its values of `names`, joined.

    Where a sample is `drawn` its names were known once, though nobody may have one of them now.
    """
    there = {name for unit in frame for name in unit.attributes}
    known = sorted(there.union(names) if drawn else there)
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


def who_codes(
    coders: Sequence[str], overlap: float, per_item: int | None, assisted: float
) -> dict[str, Any]:
    """Return who is asked and how often, as the design keeps it."""
    coders = list(dict.fromkeys(name.strip() for name in coders if name.strip()))
    for share, given in (
        (_("The overlap is a share from 0 to 1, such as 0.2, not %(given)s."), overlap),
        (_("The assisted part is a share from 0 to 1, such as 0.3, not %(given)s."), assisted),
    ):
        if not 0 <= given <= 1:
            raise Problem(share, given=given)
    if per_item is not None and per_item < 1:
        raise Problem(_("Every item needs at least one coder."))
    if per_item is not None and per_item > MOST_CODERS:
        raise Problem(_("An item can have at most %(most)d coders."), most=MOST_CODERS)
    if per_item and coders and per_item > len(coders):
        raise Problem(
            _("%(wanted)d coders for each item are wanted and %(named)d are named: name more."),
            wanted=per_item,
            named=len(coders),
        )
    if overlap and per_item is None and len(coders) == 1:
        raise Problem(
            _("Two coders are needed for an overlap: name another one, or leave the overlap out.")
        )
    asked: dict[str, Any] = {"overlap": overlap, "coders": coders}
    if per_item is not None:
        asked["per_item"] = per_item
    if assisted:
        asked["assisted"] = assisted
    return asked


def _check(size: int, seed: int | None) -> None:
    if size < 1:
        raise Problem(_("A sample needs at least one segment."))
    check_seed(seed)


def _spread(frame: Sequence[Unit], stratum: Any, machine: Machine) -> Any:
    """Return the spread of the error expected in each stratum, None if the machine tells none."""
    if not machine.confidence:
        return None
    errors = np.array([machine.expected_error(unit.segment) for unit in frame])
    # Rounded: databases add up in different orders, and the sample must not depend on it.
    means = np.bincount(stratum, errors) / np.bincount(stratum)
    return error_spread(means.round(6))


def _more(more: Mapping[str, int], names: Sequence[str], left: Any) -> Any:
    """Return how many to draw from each stratum, as asked by its name."""
    number = np.zeros(len(names), np.int64)
    for key, count in more.items():
        if key not in names:
            raise Problem(
                _("The sample has no stratum “%(key)s”: its strata are %(known)s."),
                key=key,
                known=", ".join(f"“{name}”" for name in names),
            )
        at = names.index(key)
        if not 0 <= count <= left[at]:
            raise Problem(
                _("The stratum “%(key)s” has %(left)d segments left, so %(count)d can’t be drawn."),
                key=key,
                left=int(left[at]),
                count=count,
            )
        number[at] = count
    return number


def _check_size(size: int, population: int, strata: int, *, left: bool = False) -> None:
    if left and size > population:
        raise Problem(
            _("%(population)d segments are left to draw, so %(size)d can’t be drawn."),
            population=population,
            size=size,
        )
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
