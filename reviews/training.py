"""Training: people code segments whose key is known, and see after each what the key says and why.

A lead sets the key before anybody starts. What is coded here is of kind TRAINING: it enters no
estimate, and whoever trained on a segment is not asked about it blind later (`sampling.can_read`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from codebooks.models import Code, Dimension, Kind
from codebooks.revisions import freeze
from coding.models import Answer, Coding, CodingKind, Evidence, Found, Mark
from reviews.checking import NAMED
from reviews.models import Assignment, Item, Purpose, Ruling, Sample
from reviews.questions import Answers, Codes, Range, codes_of, own_answers, spoken
from reviews.sampling import (
    BATCH,
    Unit,
    base_language,
    count_seats,
    frame_digest,
    load_frame,
    reading,
    reads_language,
    revision_in_use,
)
from reviews.stats.alpha import alpha_binary, alpha_interval, alpha_nominal
from reviews.stats.designs import draw
from studies.audit import Action, record
from studies.models import Study
from studies.people import coder_named
from studies.problems import Problem, _
from studies.seeds import check_seed, seed_or_new

BAR = 0.8
"""The share of decisions that should be made as in the key."""
WINDOW = 5
"""Over so many interviews, the last ones, the share is taken."""
NEAR = 0.1
"""Values on a scale are alike if they differ by no more than this part of it."""
LONGEST_REASON = 2000


@dataclass(frozen=True)
class Key:
    """What holds for one code of a training item: None in both means that it cannot be told.

    On a scale `value` is where the segment stands, and `applies` False means: not expressed.
    """

    dimension: str
    code: str
    applies: bool | None = None
    value: float | None = None
    why: str = ""
    passages: tuple[Range, ...] = ()


@dataclass(frozen=True)
class Compared:
    """One decision of a trainee beside the key: a code, or a `one` dimension as a whole.

    `yours` and `key` are yes, no, unsure, a code's key, "" for none of them, or a value; `alike` is
    None where the key can't tell.
    """

    dimension: str
    code: str | None
    kind: str
    yours: str | float | None
    key: str | float | None
    alike: bool | None
    why: tuple[str, ...]
    key_passages: tuple[Range, ...]
    own_passages: tuple[Range, ...]


@dataclass(frozen=True)
class Result:
    """How one trainee stands with one code (or `one` dimension): decisions, and how many alike.

    `alpha` is Krippendorff's, trainee beside key; NaN where only one value occurs.
    """

    dimension: str
    code: str | None
    decisions: int
    alike: int
    alpha: float

    @property
    def percent(self) -> float:
        """The share alike, NaN without a decision."""
        return self.alike / self.decisions if self.decisions else np.nan


@dataclass(frozen=True)
class Trainee:
    """How one person stands in a training: `share` is over the last interviews in the window."""

    name: str
    person: int
    asked: int
    answered: int
    share: float
    passed: bool
    results: tuple[Result, ...]


def draw_training(
    study: Study,
    *,
    coders: Sequence[str],
    size: int = 0,
    interviews: Sequence[str] = (),
    bar: float = BAR,
    window: int = WINDOW,
    seed: int | None = None,
    continues: Sample | None = None,
    by: User | None = None,
) -> Sample:
    """Make a training of `interviews` (their ids), or of `size` random segments, for `coders`.

    Segments of a review or of an earlier training are never taken: their coders would have seen
    the key, or the key would tell them what they are asked.
    """
    names = list(dict.fromkeys(name.strip() for name in coders if name.strip()))
    wanted = list(dict.fromkeys(name.strip() for name in interviews if name.strip()))
    if not names:
        raise Problem(_("Name the coders who are to train."))
    if not 0 < bar <= 1:
        raise Problem(
            _("The bar is a share above 0 up to 1, such as 0.8, not %(given)s."), given=bar
        )
    if window < 1:
        raise Problem(_("The bar is looked at over at least one interview."))
    check_seed(seed)
    frame = load_frame(study)
    seed = seed_or_new(seed)
    revision = revision_in_use(study)
    design = {
        "size": len(wanted) or size,
        "strata": [],
        "overlap": 0.0,
        "coders": names,
        "interviews": wanted,
        "bar": bar,
        "window": window,
    }
    with transaction.atomic():
        Study.objects.select_for_update().get(pk=study.pk)
        free = _free(study, frame)
        units = _named(wanted, frame, free) if wanted else _random(size, free, seed)
        digest = frame_digest(frame, [""] * len(frame))
        freeze(revision)
        sample = Sample.objects.create(
            study=study,
            revision=revision,
            purpose=Purpose.TRAINING,
            continues=continues,
            design={
                **design,
                "sizes": [{"key": "", "population": len(free), "drawn": len(units)}],
            },
            seed=seed,
            frame_digest=digest,
        )
        items = Item.objects.bulk_create(
            [
                Item(
                    sample=sample,
                    segment_id=unit.segment,
                    position=position,
                    stratum="",
                    inclusion=len(units) / len(free),
                    coders_wanted=len(names),
                    language=base_language(unit.language),
                )
                for position, unit in enumerate(units, 1)
            ],
            BATCH,
        )
        people = [coder_named(study, name) for name in names]
        reads = reading(study)
        # Nobody is asked before the key is set: until then the seats stand back.
        now = timezone.now()
        Assignment.objects.bulk_create(
            [
                Assignment(item=item, person=person, returned_at=now)
                for item, unit in zip(items, units, strict=True)
                for person in people
                if reads_language(reads.get(person.pk, ()), unit.language)
            ],
            BATCH,
        )
        count_seats(sample)
        record(
            study,
            by,
            Action.SAMPLE_DRAWN,
            str(sample.pk),
            after={"purpose": "training", "items": len(items), "coders": names},
        )
    return sample


def trainings(study: Study) -> list[Sample]:
    """Return the trainings of `study`, the latest first."""
    return list(study.samples.filter(purpose=Purpose.TRAINING).order_by("-pk"))


def set_key(item: Item, person: User, keys: Iterable[Key]) -> None:
    """Keep what holds for every code of a training item, and why; only before anybody coded it."""
    if item.sample.purpose != Purpose.TRAINING:
        raise Problem(_("Only a training has a key."))
    codes = codes_of(item.sample.revision)
    words = spoken(item)
    said: dict[tuple[str, str], Key] = {}
    for key in keys:
        _check_key(key, codes, words)
        if (key.dimension, key.code) in said:
            raise Problem(
                _("A code of “%(dimension)s” is answered twice."),
                dimension=codes[key.dimension][0].label,
            )
        said[key.dimension, key.code] = key
    missing = [
        code.label
        for name, (_dimension, known) in codes.items()
        for code in known.values()
        if (name, code.key) not in said
    ]
    if len(missing) > NAMED:
        raise Problem(
            _("The key says nothing yet about %(codes)s, and about %(count)s more."),
            codes=", ".join(missing[:NAMED]),
            count=len(missing) - NAMED,
        )
    if missing:
        raise Problem(_("The key says nothing yet about: %(codes)s."), codes=", ".join(missing))
    for name, (dimension, known) in codes.items():
        holds = [code for code in known if said[name, code].applies]
        if dimension.kind == Kind.ONE and len(holds) > 1:
            raise Problem(
                _("“%(dimension)s” takes one code, not %(count)d."),
                dimension=dimension.label,
                count=len(holds),
            )
    with transaction.atomic():
        Sample.objects.select_for_update().get(pk=item.sample_id)
        if item.assignments.filter(person=person).exists():
            raise Problem(_("Whoever is asked about an interview can’t set its key."))
        if item.assignments.filter(coding__isnull=False).exists():
            raise Problem(_("Somebody coded this interview already, so its key stays as it is."))
        before = {ruling.code_id: ruling.applies for ruling in item.rulings.all()}
        item.rulings.all().delete()
        Ruling.objects.bulk_create(
            Ruling(
                item=item,
                code=codes[key.dimension][1][key.code],
                applies=key.applies if key.value is None else True,
                value=key.value,
                by=person,
                why=key.why.replace("\x00", "").strip()[:LONGEST_REASON],
            )
            for key in said.values()
        )
        _key_codings(item).delete()
        coding = Coding.objects.create(
            segment_id=item.segment_id,
            revision=item.sample.revision,
            person=person,
            kind=CodingKind.TRAINING,
            dimensions=sorted(codes, key=list(codes).index),
        )
        for key in said.values():
            if key.passages:
                mark = Mark.objects.create(
                    coding=coding,
                    code=codes[key.dimension][1][key.code],
                    answer=Answer.YES if key.applies or key.value is not None else Answer.UNSURE,
                    value=key.value,
                )
                Evidence.objects.bulk_create(
                    Evidence(mark=mark, start=start, end=end, found=Found.EXACT)
                    for start, end in key.passages
                )
        waiting = item.assignments.filter(answered_at=None)
        passed = [one.pk for one in waiting if trainee(item.sample, one.person).passed]
        waiting.exclude(pk__in=passed).update(returned_at=None)
        count_seats(item.sample)
        record(
            item.sample.study,
            person,
            Action.KEY_SET,
            f"{item.sample_id}/{item.position}",
            before={str(code): applies for code, applies in before.items()} or None,
            after={f"{key.dimension}/{key.code}": key.applies for key in said.values()},
        )


def key_of(item: Item) -> dict[tuple[str, str], Key]:
    """Return the key of a training item by dimension and code; empty while it is not set."""
    passages: dict[int, list[Range]] = {}
    rows = Evidence.objects.filter(mark__coding__in=_key_codings(item), start__isnull=False)
    for code, start, end in rows.order_by("start").values_list("mark__code_id", "start", "end"):
        assert start is not None and end is not None  # noqa: S101, PT018  filtered
        passages.setdefault(code, []).append((int(start), int(end)))
    return {
        (ruling.code.dimension.key, ruling.code.key): Key(
            ruling.code.dimension.key,
            ruling.code.key,
            ruling.applies,
            ruling.value,
            ruling.why,
            tuple(passages.get(ruling.code_id, ())),
        )
        for ruling in item.rulings.select_related("code__dimension")
    }


def without_key(sample: Sample) -> list[Item]:
    """Return the items of a training whose key is not set: nobody is asked about them yet."""
    return list(
        sample.items.filter(rulings=None).order_by("position").select_related("segment__transcript")
    )


def own_training(study: Study, person: User) -> str:
    """Return how `person` stands with the trainings of `study` once nothing is asked of them.

    That is "waits" if a key is still to be set, "over" if all was answered, "" without a training.
    """
    rows = Assignment.objects.filter(
        item__sample__study=study,
        item__sample__purpose=Purpose.TRAINING,
        person=person,
    )
    if rows.filter(answered_at=None, item__rulings=None).exists():
        return "waits"
    return "over" if rows.exists() else ""


def let_go(sample: Sample, person: User) -> bool:
    """Ask `person` about no more of the training once they have reached the bar; return whether."""
    if not trainee(sample, person).passed:
        return False
    open_ = Assignment.objects.filter(
        item__sample=sample, person=person, answered_at=None, returned_at=None
    )
    if open_.update(returned_at=timezone.now()):
        count_seats(sample)
    return True


def compare(
    answers: Answers,
    key: Mapping[tuple[str, str], Key],
    codes: Codes,
) -> list[Compared]:
    """Set what was answered beside `key`, in the order of the codebook.

    A dimension that was left out, and a code said to be unsure, are not as a key that decides.
    """
    said = {(one.dimension, one.code): one for one in answers.said}
    found: list[Compared] = []
    for name, (dimension, known) in codes.items():
        decided = name in answers.decided
        if dimension.kind == Kind.ONE:
            keys = [key[name, code] for code in known if (name, code) in key]
            if keys:
                found.append(_compare_one(dimension, keys, answers))
            continue
        for code in known:
            if (name, code) not in key:
                continue
            right, one = key[name, code], said.get((name, code))
            yours: str | float | None
            if dimension.kind == Kind.SCALE:
                truth: str | float | None = _stand(right)
                yours = one.value if one else ("" if decided else None)
                alike = _near(yours, truth, dimension)
            else:
                truth = told(right.applies)
                yours = one.answer if one else (Answer.NO.value if decided else None)
                alike = None if right.applies is None else yours == truth
            found.append(
                Compared(
                    name,
                    code,
                    dimension.kind,
                    yours,
                    truth,
                    alike,
                    (right.why,) if right.why else (),
                    right.passages,
                    one.passages if one else (),
                )
            )
    return found


def trainee(sample: Sample, person: User, name: str = "") -> Trainee:
    """Return how `person` stands in the training `sample`."""
    codes = codes_of(sample.revision)
    rows = (
        Assignment.objects.filter(item__sample=sample, person=person)
        .select_related("item__sample__revision", "coding", "person")
        .order_by("answered_at", "pk")
    )
    told = [row for row in rows if row.coding_id]
    compared = []
    for row in told:
        answers = own_answers(row)
        assert answers is not None  # noqa: S101  it has a coding
        compared.append(compare(answers, key_of(row.item), codes))
    window = min(int(sample.design.get("window", WINDOW)), max(len(rows), 1))
    last = [one for own in compared[-window:] for one in own if one.alike is not None]
    share = sum(bool(one.alike) for one in last) / len(last) if last else np.nan
    bar = float(sample.design.get("bar", BAR))
    return Trainee(
        name=name or person.get_username(),
        person=person.pk,
        asked=len(rows),
        answered=len(told),
        share=share,
        passed=len(told) >= window and bool(last) and share >= bar - 1e-9,
        results=tuple(_results(compared, codes)),
    )


def standings(sample: Sample) -> list[Trainee]:
    """Return how everybody stands in the training `sample`, by name."""
    names = dict(sample.study.memberships.values_list("person_id", "name"))
    people = User.objects.filter(assignments__item__sample=sample).distinct()
    found = [trainee(sample, person, names.get(person.pk, person.username)) for person in people]
    return sorted(found, key=lambda one: one.name)


def _results(
    compared: Sequence[Sequence[Compared]],
    codes: Codes,
) -> Iterable[Result]:
    """Yield a result for each code or `one` dimension that the key of some interview decides."""
    by: dict[tuple[str, str | None], list[Compared]] = {}
    for own in compared:
        for one in own:
            if one.alike is not None:
                by.setdefault((one.dimension, one.code), []).append(one)
    order = [
        (name, code)
        for name, (dimension, known) in codes.items()
        for code in ([None] if dimension.kind == Kind.ONE else known)
    ]
    for dimension, code in order:
        if rows := by.get((dimension, code)):
            yield Result(
                dimension,
                code,
                len(rows),
                sum(bool(row.alike) for row in rows),
                _alpha(rows, codes[dimension]),
            )


def _alpha(rows: Sequence[Compared], about: tuple[Dimension, Mapping[str, Code]]) -> float:
    """Return alpha of the trainee beside the key."""
    dimension, known = about
    if dimension.kind == Kind.SCALE:
        ratings = np.array(
            [
                [one if isinstance(one, float) else np.nan for one in (row.yours, row.key)]
                for row in rows
            ]
        ).T
        return alpha_interval(ratings) if len(rows) > 1 else np.nan
    if dimension.kind == Kind.ONE:
        place = {code: float(at) for at, code in enumerate([*known, ""])}
        said = [
            [place.get(str(row.yours), np.nan), place.get(str(row.key), np.nan)] for row in rows
        ]
        return alpha_nominal(np.array(said).T)
    value = {Answer.YES.value: 1.0, Answer.NO.value: 0.0}
    pairs = np.array([[value.get(str(one), np.nan) for one in (r.yours, r.key)] for r in rows])
    looked = (~np.isnan(pairs)).sum(axis=1, keepdims=True).astype(np.float64)
    return float(alpha_binary(np.nansum(pairs, axis=1, keepdims=True), looked)[0])


def _compare_one(dimension: Dimension, keys: Sequence[Key], answers: Answers) -> Compared:
    """Set the category that was chosen beside the key’s; "" is none of them."""
    chosen = [one for one in answers.said if one.dimension == dimension.key]
    yes = next((one.code for one in chosen if one.answer == Answer.YES), None)
    decided = dimension.key in answers.decided
    yours = yes if yes is not None else ("" if decided and not chosen else None)
    holds = next((key.code for key in keys if key.applies), None)
    open_ = any(key.applies is None for key in keys)
    truth = holds if holds is not None else (None if open_ else "")
    about = next((key for key in keys if key.code == holds), None)
    return Compared(
        dimension.key,
        None,
        dimension.kind,
        yours,
        truth,
        None if truth is None else yours == truth,
        tuple(dict.fromkeys(key.why for key in keys if key.why)),
        about.passages if about else (),
        tuple(passage for one in chosen for passage in one.passages),
    )


def told(applies: bool | None) -> str:
    """Return what a key says of a code: yes, no, or unsure where it can’t tell."""
    if applies is None:
        return Answer.UNSURE.value
    return Answer.YES.value if applies else Answer.NO.value


def _stand(key: Key) -> float | str | None:
    """Return the value of a key on a scale, "" for not expressed, None where it can't be told."""
    if key.value is not None:
        return key.value
    return "" if key.applies is False else None


def _near(yours: object, truth: object, dimension: Dimension) -> bool | None:
    if truth is None:
        return None
    if not isinstance(yours, float) or not isinstance(truth, float):
        return yours == truth
    wide = (dimension.maximum or 0.0) - (dimension.minimum or 0.0)
    return abs(yours - truth) <= NEAR * wide + 1e-9


def _check_key(
    key: Key,
    codes: Codes,
    words: Sequence[Range],
) -> None:
    if key.dimension not in codes or key.code not in codes[key.dimension][1]:
        raise Problem(
            _("“%(dimension)s” has no code “%(code)s”."), dimension=key.dimension, code=key.code
        )
    dimension, known = codes[key.dimension]
    if key.value is not None:
        low, high = dimension.minimum or 0.0, dimension.maximum or 0.0
        if dimension.kind != Kind.SCALE or not low <= key.value <= high:
            raise Problem(
                _("“%(dimension)s” takes a value from %(low)g to %(high)g."),
                dimension=dimension.label,
                low=low,
                high=high,
            )
    elif dimension.kind == Kind.SCALE and key.applies:
        raise Problem(
            _("“%(dimension)s” has no answer yet: choose one, or leave it out."),
            dimension=dimension.label,
        )
    if key.passages and key.applies is False:
        raise Problem(
            _("“%(code)s” is answered with no, and there is evidence for it: change one of them."),
            code=known[key.code].label,
        )
    for start, end in key.passages:
        if not any(begin <= start < end <= stop for begin, stop in words):
            raise Problem(
                _(
                    "The evidence for “%(code)s” (characters %(start)d to %(end)d) is not within "
                    "one turn of the participant: select it again."
                ),
                code=known[key.code].label,
                start=start,
                end=end,
            )


def _key_codings(item: Item) -> QuerySet[Coding]:
    """Return the coding that holds the evidence of the key: by somebody who was not asked."""
    asked = item.assignments.values("person")
    return Coding.objects.filter(
        segment=item.segment_id, revision=item.sample.revision_id, kind=CodingKind.TRAINING
    ).exclude(person__in=asked)


def _free(study: Study, frame: Sequence[Unit]) -> list[Unit]:
    """Return the units that no review and no training has taken."""
    taken = set(Item.objects.filter(sample__study=study).values_list("segment_id", flat=True))
    return [unit for unit in frame if unit.segment not in taken]


def _random(size: int, free: Sequence[Unit], seed: int) -> list[Unit]:
    if size < 1:
        raise Problem(_("A sample needs at least one segment."))
    if size > len(free):
        raise Problem(
            _("%(population)d segments are left to draw, so %(size)d can’t be drawn."),
            population=len(free),
            size=size,
        )
    rng = np.random.default_rng(seed)
    chosen = draw(np.zeros(len(free), np.int64), np.array([size]), rng)
    chosen = chosen[np.argsort(rng.bit_generator.random_raw(chosen.size), kind="stable")]
    return [free[at] for at in chosen]


def _named(wanted: Sequence[str], frame: Sequence[Unit], free: Sequence[Unit]) -> list[Unit]:
    known = {unit.transcript for unit in frame}
    if unknown := [name for name in wanted if name not in known]:
        raise Problem(_("There is no interview “%(interview)s”."), interview=unknown[0])
    open_ = {unit.transcript for unit in free}
    if taken := [name for name in wanted if name not in open_]:
        raise Problem(
            _("The interview “%(interview)s” is in a sample already: choose another one."),
            interview=taken[0],
        )
    return [unit for name in wanted for unit in free if unit.transcript == name]
