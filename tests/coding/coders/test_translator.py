"""The translator against the simulated service: what it asks, and what it takes for an answer."""

from typing import Any

import pytest

from coding.coders import Failed, Refused, Stopped, Translated
from coding.coders.translator import ClaudeTranslator
from coding.translation_prompts import bits, passage_of
from tests.simulator.server import Running

TEXT = "P: ¿Qué espera?\nR: La lluvia.\n"
TURNS = [(3, 15, "P", "interviewer"), (19, 29, "R", "participant")]


@pytest.fixture
def translator(simulator: Running) -> Any:
    made = ClaudeTranslator("English (en)")
    yield made
    made.close()


def ask(translator: ClaudeTranslator, after: Failed | None = None) -> Any:
    whole = bits(TEXT, TURNS)
    return translator.code([passage_of(TEXT, whole, whole, "es")], after)[0]


def test_an_answer_is_words_by_turn_with_what_it_took(
    simulator: Running, translator: ClaudeTranslator
) -> None:
    reply = ask(translator)
    assert reply.outcome == Translated(words={1: "[en] ¿Qué espera?", 2: "[en] La lluvia."})
    assert reply.usage
    assert reply.request_id == "req_00000001"
    assert reply.raw.startswith(b"{")
    assert (
        translator.read(
            reply.raw, passage_of(TEXT, bits(TEXT, TURNS), bits(TEXT, TURNS), "es")
        ).outcome
        == reply.outcome
    )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wrong_label", "There is no turn 1002 to translate."),
        ("duplicate", "Turn 1 is translated twice."),
        ("missing", "Turn 2 is not translated."),
        ("no_words", "The translation of turn 1 is empty."),
        ("endless", "The translation of turn 1 is far too long."),
        ("wrong_type", "A turn of the answer has no number or no text."),
        ("not_json", "The answer is not JSON."),
    ],
)
def test_an_answer_that_does_not_fit_is_asked_for_once_more_with_what_was_wrong(
    simulator: Running,
    translator: ClaudeTranslator,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    said: str,
) -> None:
    simulator.faults({"nth": 1, "fault": fault})
    reply = ask(translator)
    assert isinstance(reply.outcome, Failed)
    assert said in reply.outcome.reason
    assert reply.usage
    asked: list[str] = []
    send = translator.send

    def overheard(message: str, *more: Any) -> Any:
        asked.append(message)
        return send(message, *more)

    monkeypatch.setattr(translator, "send", overheard)
    assert isinstance(ask(translator, reply.outcome).outcome, Translated)
    assert f"An earlier answer could not be used: {reply.outcome.reason}" in asked[0]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("refusal", Refused), ("401", Stopped), ("402", Stopped), ("529", Failed)],
)
def test_what_is_no_answer_is_what_it_is_for_coding(
    simulator: Running, translator: ClaudeTranslator, fault: str, kind: type
) -> None:
    simulator.faults({"nth": 1, "fault": fault})
    assert isinstance(ask(translator).outcome, kind)


def test_half_a_character_is_not_kept(simulator: Running, translator: ClaudeTranslator) -> None:
    simulator.faults({"nth": 1, "fault": "halves"})
    outcome = ask(translator).outcome
    assert outcome.words[1] == "[en] ¿Qué espera?\ufffd"


def test_a_request_is_never_larger_than_it_is_taken_for(
    simulator: Running, translator: ClaudeTranslator
) -> None:
    whole = bits(TEXT, TURNS)
    passage = passage_of(TEXT, whole, whole, "es")
    translator.in_words = True
    said = translator.worded(translator.message(passage), Failed("The answer is not JSON.", 0.0))
    sent = str(translator.system) + str(translator.schema) + said
    assert len(sent.encode()) <= translator.size(passage)
    assert 0 < translator.shared() < translator.overhead
