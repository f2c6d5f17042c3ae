import json
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coding.coders import Answered, Failed, Refused, Reply, Stopped
from coding.coders.claude import ClaudeCoder, answered
from coding.coders.messages import LONGEST_WAIT, Unusable, retry_after
from coding.prompts import user_turn, write
from studies.problems import Problem
from tests.coding.guides import GUIDE, passage
from tests.simulator.server import Running

TALK = passage(
    "What worries you?",
    "I might lose my job. [[sim: worries=job_loss; stance=rejecting; trust=20]]",
)


def code(after: Failed | None = None, **options: Any) -> Reply:
    with closing(ClaudeCoder(write(GUIDE), **options)) as coder:
        return coder.code([TALK], after)[0]


def test_an_answer_becomes_proposals_with_quotes_and_usage(simulator: Running) -> None:
    reply = code()
    assert isinstance(reply.outcome, Answered)
    assert reply.outcome.dimensions == ("worries", "stance", "trust")
    found = {(p.dimension, p.code): p for p in reply.outcome.proposals}
    assert set(found) == {("worries", "job_loss"), ("stance", "rejecting"), ("trust", "trust")}
    worry = found["worries", "job_loss"]
    assert worry.quotes[0].text == "I might lose my job."
    assert worry.quotes[0].turn == 2
    assert worry.confidence == 0.9
    assert found["trust", "trust"].value == 20
    entry = simulator.ledger["entries"][0]
    assert reply.usage
    assert reply.usage.input == entry["usage"]["input_tokens"]
    assert reply.usage.cache_write == entry["usage"]["cache_creation_input_tokens"] > 0
    assert reply.request_id == entry["request_id"]
    assert json.loads(reply.raw)["id"]


def test_nothing_applies_is_an_answer_without_proposals(simulator: Running) -> None:
    with closing(ClaudeCoder(write(GUIDE))) as coder:
        reply = coder.code([passage("And?", "The weather was nice.")])[0]
    assert reply.outcome == Answered((), ("worries", "stance", "trust"))


def test_the_second_request_reads_the_prompt_from_the_cache(simulator: Running) -> None:
    with closing(ClaudeCoder(write(GUIDE))) as coder:
        first, second = (coder.code([TALK])[0].usage for _ in range(2))
    assert first
    assert second
    assert second.cache_read == first.cache_write > 0
    assert second.cache_write == 0


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        ({"fault": "429"}, 0.0),
        ({"fault": "429", "headers": {"retry-after": "7"}}, 7.0),
        ({"fault": "429", "headers": {"retry-after-ms": "1500"}}, 1.5),
        ({"fault": "429", "headers": {"retry-after": "86400"}}, LONGEST_WAIT),
        ({"fault": "529"}, 0.0),
        ({"fault": "500"}, 0.0),
        ({"fault": "reset_before"}, 0.0),
        ({"fault": "reset_after"}, 0.0),
        ({"fault": "reset_mid"}, 0.0),
        ({"fault": "truncated"}, 0.0),
        ({"fault": "html"}, 0.0),
    ],
    ids=str,
)
def test_a_service_that_fails_is_asked_again_later(
    simulator: Running, fault: dict[str, Any], wait: float
) -> None:
    simulator.faults({"nth": 1, **fault})
    outcome = code().outcome
    assert isinstance(outcome, Failed)
    assert outcome.service
    assert outcome.wait == wait
    # One question, one request: the SDK does not ask again behind the ledger's back.
    assert simulator.ledger["requests"] == 1


@pytest.mark.parametrize(
    ("fault", "lost"),
    [("429", False), ("529", False), ("reset_after", True), ("reset_mid", True), ("504", True)],
)
def test_a_lost_answer_is_maybe_billed_and_a_refused_request_is_not(
    simulator: Running, fault: str, lost: bool
) -> None:
    simulator.faults({"nth": 1, "fault": fault})
    assert code().maybe_billed is lost


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "does not know the key"),
        ("402", "limit of money"),
        ("403", "may not use"),
        ("spend_limit", "limit of money"),
    ],
)
def test_what_only_a_person_can_mend_stops_the_run(
    simulator: Running, fault: str, said: str
) -> None:
    simulator.faults({"nth": 1, "fault": fault})
    outcome = code().outcome
    assert isinstance(outcome, Stopped)
    assert said in outcome.reason
    assert simulator.ledger["billed"] == 0


def test_an_unknown_model_stops_the_run(simulator: Running) -> None:
    outcome = code(model="claude-nothing-9").outcome
    assert isinstance(outcome, Stopped)
    assert "does not know this model" in outcome.reason


def test_a_codebook_too_large_for_one_request_stops_the_run(simulator: Running) -> None:
    simulator.service.configure(largest_schema=100)
    outcome = code().outcome
    assert isinstance(outcome, Stopped)
    assert "codebook is too large" in outcome.reason


def test_a_request_that_is_not_accepted_is_not_sent_again(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "400", "message": "prompt is too long"})
    outcome = code().outcome
    assert outcome == Failed(
        "The service did not accept the request. (400: prompt is too long)", None
    )


def test_a_refusal_ends_it_with_its_category_and_is_paid_for(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "refusal", "category": "bio"})
    reply = code()
    assert reply.outcome == Refused("The model refused. (bio)")
    assert reply.usage


def test_an_answer_that_was_cut_off_gets_more_room(simulator: Running) -> None:
    simulator.faults({"every": 1, "fault": "max_tokens", "needs": 5_000})
    first = code()
    assert isinstance(first.outcome, Failed)
    assert first.outcome.cut
    assert first.usage
    assert isinstance(code(after=first.outcome).outcome, Answered)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wrong_label", "is not a code of"),
        ("wrong_type", "does not say whether it is expressed"),
        ("not_json", "not JSON"),
    ],
)
def test_an_answer_not_in_the_asked_form_is_asked_for_once_more(
    simulator: Running, fault: str, said: str
) -> None:
    simulator.faults({"nth": 1, "fault": fault})
    reply = code()
    assert isinstance(reply.outcome, Failed)
    assert said in reply.outcome.reason
    assert reply.outcome.wait == 0
    assert not reply.outcome.service
    assert reply.usage  # it was paid for
    assert isinstance(code(after=reply.outcome).outcome, Answered)


def test_a_code_given_twice_is_one_code(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "duplicate"})
    outcome = code().outcome
    assert isinstance(outcome, Answered)
    assert [p.code for p in outcome.proposals if p.dimension == "worries"] == ["job_loss"]


def test_an_answer_without_usage_is_used_and_maybe_billed(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "missing_usage"})
    reply = code()
    assert isinstance(reply.outcome, Answered)
    assert reply.usage is None
    assert reply.maybe_billed


def test_an_answer_that_drips_for_ever_is_given_up(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "drip", "seconds": 0.02})
    reply = code(deadline=0.3)
    assert isinstance(reply.outcome, Failed)
    assert reply.outcome.service


def test_a_service_that_does_not_answer_is_given_up(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "slow", "seconds": 5})
    outcome = code(read_timeout=0.2).outcome
    assert isinstance(outcome, Failed)
    assert "in time" in outcome.reason


def test_nobody_there_is_a_failure_that_was_not_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    reply = code(base_url="http://127.0.0.1:9")
    assert isinstance(reply.outcome, Failed)
    assert reply.outcome.service
    assert not reply.maybe_billed


def test_without_a_key_there_is_one_sentence_about_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Problem, match="no key for Claude: set ANTHROPIC_API_KEY"):
        ClaudeCoder(write(GUIDE))


def test_tokens_are_counted_by_the_service(simulator: Running) -> None:
    with closing(ClaudeCoder(write(GUIDE))) as coder:
        shared, form, messages = coder.count([TALK, TALK])
    assert shared > 500
    assert form > 100
    assert len(messages) == 2
    assert simulator.ledger["requests"] == 0  # counting is free


@settings(max_examples=40, deadline=None)  # a client takes a moment
@given(st.lists(st.text(max_size=60), min_size=2, max_size=30), st.booleans())
def test_a_request_is_never_larger_than_it_is_taken_for(turns: list[str], spoofed: bool) -> None:
    turns[0] += "[T1" if spoofed else ""
    asked = passage(*turns, only=1)
    with closing(ClaudeCoder(write(GUIDE), api_key="test-key")) as coder:
        sent = {"s": coder.prompt.system, "f": coder.prompt.schema, "m": user_turn(asked)}
        assert len(json.dumps(sent, ensure_ascii=False).encode()) <= coder.size(asked)


def test_waiting_is_bounded_and_nonsense_is_no_wait() -> None:
    assert retry_after({}) == 0
    assert retry_after({"retry-after": "soon"}) == 0
    assert retry_after({"retry-after": "-5"}) == 0
    assert retry_after({"retry-after": "nan"}) == 0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "Fri, 31 Dec 2199 23:59:59 GMT"}) == LONGEST_WAIT


NOTHING = {
    "worries": [{"quotes": [], "reason": "", "code": "none_applies", "confidence": "high"}],
    "stance": {"quotes": [], "reason": "", "code": "none_applies", "confidence": "high"},
    "trust": {"quotes": [], "reason": "", "expressed": False, "value": 0, "confidence": "high"},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([], "is not an object"),
        ({"worries": []}, "says nothing about “worries”"),
        ({"worries": "job_loss"}, "is not a list"),
        ({"worries": [3]}, "is not an object"),
        ({"stance": {**NOTHING["stance"], "code": "welcoming", "confidence": 0.9}}, "confidence"),  # type: ignore[dict-item]
        ({"stance": {**NOTHING["stance"], "code": "welcoming", "quotes": "x"}}, "list of quotes"),  # type: ignore[dict-item]
        ({"trust": {**NOTHING["trust"], "expressed": True, "value": 101}}, "between 0 and 100"),  # type: ignore[dict-item]
        ({"trust": {**NOTHING["trust"], "expressed": True, "value": True}}, "has no number"),  # type: ignore[dict-item]
    ],
)
def test_what_the_schema_should_have_kept_out_is_kept_out_here(changes: Any, said: str) -> None:
    answer = {**NOTHING, **changes} if isinstance(changes, dict) else changes
    with pytest.raises(Unusable, match=said):
        answered(GUIDE, answer)


def test_every_dimension_has_to_be_answered() -> None:
    assert answered(GUIDE, NOTHING).proposals == ()
    with pytest.raises(Unusable, match="says nothing about “trust”"):
        answered(GUIDE, {key: value for key, value in NOTHING.items() if key != "trust"})
