import json

import numpy as np
import pytest

from coding.coders import Answered, CodeGuide, DimensionGuide, Guide, NotCovered, Passage
from coding.coders.embedded import (
    LEARNS_FROM,
    Background,
    EmbeddedCoder,
    Example,
    calibrated,
    digest,
    learns_from,
    survey,
)
from tests.coding.guides import GUIDE, passage


@pytest.fixture(scope="module")
def coder() -> EmbeddedCoder:
    return EmbeddedCoder(GUIDE)


def codes(coder: EmbeddedCoder, asked: Passage, dimension: str = "worries") -> set[str]:
    outcome = coder.code([asked])[0].outcome
    assert isinstance(outcome, Answered)
    return {p.code for p in outcome.proposals if p.dimension == dimension}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "I fear that we will all be unemployed soon."),
        ("de", "Ich habe Angst, dass es bald keine Arbeit mehr für uns gibt."),
        ("es", "Tengo miedo de quedarme sin trabajo."),
        ("ja", "私たちの仕事がなくなるのが怖いです。"),
        ("ar", "أخاف أن أفقد عملي بسبب الآلة."),
        ("ru", "Я боюсь, что мы останемся без работы."),
    ],
)
def test_a_worry_is_found_in_its_own_language(
    coder: EmbeddedCoder, language: str, words: str
) -> None:
    assert "job_loss" in codes(coder, passage("And?", words, language=language))


@pytest.mark.parametrize("language", ["hi", "sw", "am", "und", "qu-PE"])
def test_a_language_it_does_not_know_is_not_covered_and_never_a_no(
    coder: EmbeddedCoder, language: str
) -> None:
    reply = coder.code([passage("And?", "I fear for my job.", language=language)])[0]
    assert reply.outcome == NotCovered("language not covered")


def test_a_regional_form_of_a_language_it_knows_is_covered(coder: EmbeddedCoder) -> None:
    reply = coder.code([passage("And?", "Tenho medo.", language="pt-BR")])[0]
    assert isinstance(reply.outcome, Answered)


def test_it_points_to_the_sentence_that_made_it_decide(coder: EmbeddedCoder) -> None:
    asked = passage(
        "Are you afraid to lose your job?",
        "We bake bread from four in the morning. My brother sells it at the market. "
        "I am afraid that I will lose my job to a machine. Then the children come from school.",
    )
    outcome = coder.code([asked])[0].outcome
    assert isinstance(outcome, Answered)
    worry = next(p for p in outcome.proposals if p.code == "job_loss")
    quote = worry.quotes[0]
    assert quote.text == "I am afraid that I will lose my job to a machine."
    assert quote.start is not None
    assert asked.text[quote.start :].startswith(quote.text)
    assert worry.rationale == ""


def test_the_interviewers_words_decide_nothing(coder: EmbeddedCoder) -> None:
    asked = passage("Are you afraid to lose your job to a machine?", "We bake bread every day.")
    assert "job_loss" not in codes(coder, asked)
    silent = Passage("Q: And?", [(3, 7, "Q", "interviewer")], 0, 7, "en")
    assert coder.code([silent])[0].outcome == NotCovered("no words of the participant")


def test_only_the_answer_that_is_asked_about_decides(coder: EmbeddedCoder) -> None:
    turns = ("One?", "I am afraid that I will lose my job.", "Two?", "We bake bread every day.")
    assert "job_loss" in codes(coder, passage(*turns, only=1))
    assert "job_loss" not in codes(coder, passage(*turns, only=3))


def test_one_code_of_a_dimension_of_one_and_a_value_on_the_scale(coder: EmbeddedCoder) -> None:
    warm = passage("And?", "I love working with it. I trust everything it says completely.")
    cold = passage("And?", "I want nothing to do with it. I do not believe anything it says.")
    assert codes(coder, warm, "stance") == {"welcoming"}
    assert codes(coder, cold, "stance") == {"rejecting"}
    values = []
    for asked in (warm, cold):
        outcome = coder.code([asked])[0].outcome
        assert isinstance(outcome, Answered)
        values += [p.value for p in outcome.proposals if p.dimension == "trust"]
    assert values[0] is not None
    assert values[1] is not None
    assert 0 <= values[1] < 50 < values[0] <= 100


def test_the_same_text_gets_the_same_answer_alone_or_among_others(coder: EmbeddedCoder) -> None:
    asked = passage("And?", "It makes mistakes. I must check it all the time.")
    others = [passage("And?", f"We sold {n} loaves. It was a good day.") for n in range(30)]
    alone = coder.code([asked])[0].outcome
    among = coder.code([*others, asked])[-1].outcome
    assert isinstance(alone, Answered)
    assert isinstance(among, Answered)
    assert [(p.code, p.quotes) for p in alone.proposals] == [
        (p.code, p.quotes) for p in among.proposals
    ]
    assert EmbeddedCoder(GUIDE).code([asked])[0] == coder.code([asked])[0]


def test_a_scale_without_words_for_its_ends_is_not_looked_at() -> None:
    scale = DimensionGuide("t", "T", "scale", (CodeGuide("t", "T"),), minimum=0, maximum=10)
    both = EmbeddedCoder(Guide("g", (GUIDE.dimensions[0], scale)))
    outcome = both.code([passage("And?", "Fine.")])[0].outcome
    assert isinstance(outcome, Answered)
    assert outcome.dimensions == ("worries",)
    alone = EmbeddedCoder(Guide("g", (scale,)))
    assert isinstance(alone.code([passage("And?", "Fine.")])[0].outcome, NotCovered)


TOPIC = ("The machine came in spring.", "I use the machine for jobs.", "Our machine is loud.")


def test_what_everybody_talks_about_does_not_decide() -> None:
    study = [
        passage("And?", f"{TOPIC[n % 3]} We have {n} cakes and the work is hard.", key=str(n))
        for n in range(40)
    ]
    afraid = passage("And?", "The machine will take my job and I am afraid of that.", key="x")
    background = survey(GUIDE, [*study, afraid])
    assert background is not None
    plain, informed = EmbeddedCoder(GUIDE), EmbeddedCoder(GUIDE, background=background)
    said = {
        coder is informed: sum("job_loss" in codes(coder, asked) for asked in study)
        for coder in (plain, informed)
    }
    assert said[True] < said[False]
    assert "job_loss" in codes(informed, afraid)


def test_a_study_too_small_to_tell_has_no_background() -> None:
    assert survey(GUIDE, [passage("And?", "We bake bread.")] * 10) is None
    assert survey(GUIDE, [passage("And?", "Habari.", language="sw")] * 100) is None


def test_the_background_comes_back_from_the_run_as_it_was() -> None:
    study = [passage("And?", f"We baked {n} loaves of bread today.") for n in range(30)]
    background = survey(GUIDE, study)
    assert background is not None
    kept = Background.from_json(json.loads(json.dumps(background.as_json())))
    assert np.array_equal(kept.center, background.center)
    assert kept.usual == background.usual


def test_a_short_yes_is_no_evidence_beside_a_sentence(coder: EmbeddedCoder) -> None:
    outcome = coder.code([passage("And?", "Yes. I fear that there will be no work for us.")])[0]
    assert isinstance(outcome.outcome, Answered)
    for proposal in outcome.outcome.proposals:
        assert [quote.text for quote in proposal.quotes] == [
            "I fear that there will be no work for us."
        ]


SUBJECTS = ("The bread", "Our oven", "My brother", "The market", "A neighbour", "The school")
PLAIN = ("{} is new.", "{} is quite far away.", "{} was there on Monday.", "I like {}.")
COLD = (
    "{} froze in the snow.",
    "{} is covered with ice.",
    "{} got cold in winter.",
    "{} had frost.",
)


def examples(count: int) -> list[Example]:
    """Return reviewed codings of a code that the codebook has no good words for."""
    made = []
    for number in range(count):
        cold = number % 3 == 0
        pattern = (COLD if cold else PLAIN)[number % 4]
        words = pattern.format(SUBJECTS[number % 6]) + f" That was in {1990 + number % 30}."
        marks = frozenset({"weather"}) if cold else frozenset()
        made.append(Example(passage("And?", words, key=str(number)), {"d": marks}, {}))
    return made


VAGUE = Guide("g", (DimensionGuide("d", "D", "many", (CodeGuide("weather", "Thing one"),)),))


def test_it_learns_from_reviewed_codings_once_there_are_enough() -> None:
    reviewed = examples(150)
    taught, untaught = EmbeddedCoder(VAGUE, reviewed), EmbeddedCoder(VAGUE, reviewed[:90])
    assert taught.learned
    assert not untaught.learned
    right = {True: 0, False: 0}
    for example in examples(190)[150:]:
        for coder in (taught, untaught):
            found = codes(coder, example.passage, "d") == example.codes["d"]
            right[coder is taught] += found
    assert right[True] >= 34  # of 40
    assert right[True] > right[False]


def test_what_it_learned_from_is_coded_by_a_model_that_did_not_see_it() -> None:
    reviewed = examples(LEARNS_FROM)
    # One wrong label among many: a model that had seen it could repeat it, this one does not.
    odd = reviewed[3]
    reviewed[3] = Example(odd.passage, {"d": frozenset()}, {})
    coder = EmbeddedCoder(VAGUE, reviewed)
    learned = coder.learned["d", "weather"]
    assert coder.fitted(learned, odd.passage) is learned.folds[3]
    assert coder.fitted(learned, passage("And?", "New words.", key="none")) is learned.whole


def test_learning_grows_in_steps_so_that_a_run_can_be_gone_on_with() -> None:
    assert [learns_from(n) for n in (0, 99, 100, 149, 150)] == [0, 0, 100, 100, 150]
    assert digest(GUIDE) == digest(GUIDE, examples(60))
    assert digest(GUIDE, examples(100)) == digest(GUIDE, examples(120))
    assert digest(GUIDE, examples(100)) != digest(GUIDE, examples(150))


def test_the_temperature_makes_overconfident_scores_modest() -> None:
    chance = np.random.default_rng(3)
    truth = chance.random(4_000) < 0.5
    honest = np.where(truth, 1.0, -1.0) + chance.normal(0, 1.4, 4_000)
    assert calibrated(honest * 10, truth) == pytest.approx(10 * calibrated(honest, truth), rel=0.01)
