import json
import signal
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from coding import leases
from coding.coders import Answered, Failed, Passage, Proposal, Quote, Reply
from coding.crew import BUDGET_SPENT
from coding.leases import Pace
from coding.loop import supported, work_loop
from coding.models import Attempt, Coding, Evidence, Run, State, Work
from coding.prompts import write
from coding.runs import (
    CANCELED,
    PAUSED,
    cancel,
    coder_for,
    findings,
    guide,
    pause,
    progress,
    resume,
    start_run,
)
from studies.problems import Problem
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.server import Running

QUICK = Pace(first_wait=0.01, longest_wait=0.02, most_attempts=6, patience=20)


def start(count: int, text: str = "I hope number {n} is good.", **options: Any) -> Run:
    study = make_study()
    make_revision(study, one=["yes", "no"], scale=(0, 10))
    for number in range(count):
        make_segment(text.format(n=number), study)
    return start_run(study, options.pop("coder", "claude"), **options)


def go(run: Run, threads: int = 4, **options: Any) -> dict[str, Any]:
    with closing(coder_for(run)) as coder:
        return work_loop(run, coder, threads=threads, pace=QUICK, **options)


def booked(run: Run) -> Decimal:
    known = Attempt.objects.filter(work__run=run, input_tokens__isnull=False)
    return sum((row.cost for row in known), Decimal(0))


@pytest.mark.django_db
def test_a_run_codes_every_segment_once_and_books_what_was_charged(simulator: Running) -> None:
    simulator.words({"topics/hope": ["hope"], "stance/yes": ["good"]})
    run = start(30)
    heard: list[int] = []
    stands = go(run, advance=heard.append)
    assert stands["segments"]["done"] == stands["segments"]["total"] == 30
    assert stands["finished"]
    assert sum(heard) == 30
    assert Coding.objects.filter(run=run).count() == 30
    assert simulator.ledger["requests"] == stands["requests"] == 30
    assert booked(run) == Decimal(simulator.ledger["delivered"])
    run.refresh_from_db()
    assert run.committed == booked(run)
    assert Evidence.objects.filter(mark__coding__run=run, found="exact").count() == 60
    # One request wrote the prompt to the cache before the others were sent.
    assert stands["tokens"]["cache_read"] == 29 * stands["tokens"]["cache_write"] > 0


@pytest.mark.django_db
def test_a_finished_run_sends_nothing_when_it_is_started_again(simulator: Running) -> None:
    run = start(3)
    go(run)
    again = start_run(run.study, "claude")
    assert again == run
    assert go(again)["finished"]
    assert simulator.ledger["requests"] == 3
    make_segment("I hope for more.", run.study)
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 4
    assert simulator.ledger["requests"] == 4


@pytest.mark.django_db
def test_the_answer_is_kept_as_it_came(simulator: Running) -> None:
    run = start(1)
    go(run)
    row = Attempt.objects.get()
    assert row.answer is not None
    message = json.loads(zlib.decompress(row.answer))
    assert message["id"] == "msg_00000001"
    assert row.request_id == "req_00000001"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "429"},
        {"fault": "429", "headers": {"retry-after-ms": "15"}},
        {"fault": "529"},
        {"fault": "500"},
        {"fault": "reset_before"},
        {"fault": "reset_after"},
        {"fault": "reset_mid"},
        {"fault": "truncated"},
        {"fault": "html"},
        {"fault": "missing_usage"},
    ],
    ids=str,
)
def test_every_segment_is_coded_though_every_third_request_goes_wrong(
    simulator: Running, fault: dict[str, Any]
) -> None:
    simulator.faults({"every": 3, "offset": 1, **fault})
    run = start(12)
    stands = go(run)
    assert stands["segments"]["done"] == 12
    assert Coding.objects.filter(run=run).count() == 12
    ledger = simulator.ledger
    total, delivered = Decimal(ledger["total"]), Decimal(ledger["delivered"])
    lost = Decimal(str(stands["maybe_billed"]["at_most"]))
    if fault["fault"] == "missing_usage":
        delivered = sum(
            (Decimal(e["cost"]) for e in ledger["entries"] if e["fault"] != "missing_usage"),
            Decimal(0),
        )
    assert booked(run) == delivered
    assert total <= delivered + lost
    assert ledger["requests"] == Attempt.objects.count()
    assert not Attempt.objects.filter(outcome="sent").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["wrong_label", "wrong_type", "not_json", "max_tokens"])
def test_a_bad_answer_is_paid_for_and_asked_for_once_more(simulator: Running, fault: str) -> None:
    simulator.faults(*({"holds": f"number {n} ", "times": 1, "fault": fault} for n in (0, 4, 7)))
    run = start(10)
    stands = go(run)
    assert stands["segments"]["done"] == 10
    assert simulator.ledger["requests"] == stands["requests"] == 13
    assert booked(run) == Decimal(simulator.ledger["delivered"])
    assert Attempt.objects.filter(outcome="invalid").count() == 3


@pytest.mark.django_db
def test_a_refusal_is_an_end_and_is_counted_by_language(simulator: Running) -> None:
    simulator.faults({"holds": "number 2 ", "fault": "refusal", "category": "bio"})
    run = start(4)
    stands = go(run)
    assert stands["segments"]["refused"] == 1
    assert findings(run)["refused"] == {"The model refused. (bio)": {"en": 1}}
    assert booked(run) == Decimal(simulator.ledger["delivered"])
    assert go(start_run(run.study, "claude"))["requests"] == 4


@pytest.mark.django_db
def test_an_answer_that_stays_bad_is_a_failure_with_its_reason(simulator: Running) -> None:
    simulator.faults({"holds": "number 2 ", "fault": "max_tokens"})
    run = start(4)
    stands = go(run)
    assert stands["segments"]["failed"] == 1
    assert stands["segments"]["done"] == 3
    assert findings(run)["failed"] == {"The answer was longer than its room.": {"en": 1}}
    assert Work.objects.get(run=run, state=State.FAILED).attempts == 2


@pytest.mark.django_db
def test_a_service_that_never_answers_one_passage_fails_that_one_only(simulator: Running) -> None:
    simulator.faults({"holds": "number 2 ", "fault": "529"})
    stands = go(start(4))
    assert stands["segments"]["failed"] == 1
    assert stands["segments"]["done"] == 3


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["401", "402", "403", "spend_limit"])
def test_the_run_stops_with_a_sentence_when_only_a_person_can_help(
    simulator: Running, fault: str
) -> None:
    simulator.faults({"nth": list(range(6, 100)), "fault": fault})
    run = start(40)
    stands = go(run)
    assert stands["stopped"]
    assert not stands["finished"]
    assert stands["segments"]["done"] == 5
    assert stands["segments"]["pending"] == 35
    assert simulator.ledger["requests"] < 20
    simulator.faults()
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 40


@pytest.mark.django_db
def test_when_the_first_requests_all_fail_the_run_stops_and_nothing_is_given_up(
    simulator: Running,
) -> None:
    simulator.faults({"every": 1, "fault": "400", "message": "something is wrong"})
    run = start(20)
    stands = go(run)
    assert "something is wrong" in stands["stopped"]
    assert stands["segments"]["pending"] == 20
    assert simulator.ledger["requests"] == 5


@pytest.mark.django_db
def test_a_service_that_is_down_for_long_stops_the_run(simulator: Running) -> None:
    simulator.faults({"every": 1, "fault": "529"})
    run = start(5)
    pace = Pace(first_wait=0.01, longest_wait=0.02, most_attempts=1_000, patience=0.3)
    with closing(coder_for(run)) as coder:
        stands = work_loop(run, coder, threads=2, pace=pace)
    assert "has not answered for a long time" in stands["stopped"]
    assert stands["segments"]["pending"] == 5


@pytest.mark.django_db
def test_the_run_stops_before_the_budget_and_goes_on_with_a_higher_one(simulator: Running) -> None:
    run = start(60, budget=Decimal("0.004"))
    stands = go(run, threads=8)
    assert stands["stopped"] == BUDGET_SPENT
    charged = Decimal(simulator.ledger["total"])
    assert Decimal("0.002") < charged <= Decimal("0.004")
    assert 0 < stands["segments"]["done"] < 60
    assert stands["segments"]["leased"] == 0
    more = start_run(run.study, "claude", budget=Decimal(1))
    assert more == run
    assert go(more)["segments"]["done"] == 60
    assert booked(run) == Decimal(simulator.ledger["total"])


@pytest.mark.django_db
def test_invented_quotes_and_the_interviewers_are_no_evidence(simulator: Running) -> None:
    text = "Do you hope for much? I hope for rain."
    turns = [[0, 21, "", "interviewer"], [22, len(text), "", "participant"]]
    simulator.words({"topics/hope": ["rain"]})
    for fault, found in (("invented", "missing"), ("interviewer", "interviewer")):
        study = make_study()
        make_revision(study)
        make_segment(text, study, turns=turns)
        simulator.faults({"every": 1, "fault": fault})
        run = start_run(study, "claude")
        go(run)
        assert [row.found for row in Evidence.objects.filter(mark__coding__run=run)] == [found]
        assert findings(run)["evidence"][found] == 1
        assert Coding.objects.get(run=run).marks.count() == 1  # kept, and flagged by its evidence


@pytest.mark.django_db
def test_half_a_character_in_an_answer_does_not_stop_the_run(simulator: Running) -> None:
    simulator.words({"topics/hope": ["hope"]})
    simulator.faults({"every": 1, "fault": "halves"})
    run = start(3)
    assert go(run)["segments"]["done"] == 3
    found = [(row.found, row.quote) for row in Evidence.objects.filter(mark__coding__run=run)]
    assert sorted(found) == [("folded", f"I hope number {n} is good. \ufffd") for n in range(3)]


@pytest.mark.django_db
def test_ctrl_c_waits_for_what_is_on_its_way_and_gives_the_rest_back(simulator: Running) -> None:
    simulator.service.configure(latency=0.05)
    run = start(40)

    pressed: list[int] = []

    def press(count: int) -> None:
        if not pressed and Coding.objects.filter(run=run).count() > 5:
            pressed.append(count)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        go(run, advance=press, listen=True)
    stands = progress(run)
    assert stands["segments"]["leased"] == 0
    assert stands["segments"]["done"] + stands["segments"]["pending"] == 40
    assert booked(run) == Decimal(simulator.ledger["total"])
    assert not Attempt.objects.filter(outcome="sent").exists()
    assert go(run)["segments"]["done"] == 40
    assert simulator.ledger["requests"] == 40


@pytest.mark.django_db
def test_a_run_that_was_stopped_elsewhere_stops_here(simulator: Running) -> None:
    simulator.service.configure(latency=0.2)
    run = start(200)

    def stop(count: int) -> None:
        Run.objects.filter(pk=run.pk).update(stopped_because="paused")

    stands = go(run, threads=2, advance=stop)
    assert stands["stopped"] == "paused"
    assert stands["segments"]["pending"] > 100


@pytest.mark.django_db
def test_a_paused_run_goes_on_where_it_was_once_it_is_resumed(simulator: Running) -> None:
    simulator.service.configure(latency=0.2)
    run = start(60)
    stands = go(run, threads=2, advance=lambda _count: pause(run) if not run.finished_at else None)
    assert stands["stopped"] == PAUSED
    assert stands["segments"]["pending"] > 20
    assert stands["segments"]["leased"] == 0
    assert booked(run) == Decimal(simulator.ledger["total"])
    simulator.service.configure(latency=0)
    resume(run)
    assert go(run)["segments"]["done"] == 60
    assert simulator.ledger["requests"] == 60


@pytest.mark.django_db
def test_a_canceled_run_ends_with_what_is_decided_and_can_be_taken_up_again(
    simulator: Running,
) -> None:
    simulator.service.configure(latency=0.2)
    run = start(80)
    told: list[int] = []

    def call_it_off(count: int) -> None:
        if not told:
            told.append(count)
            cancel(run)

    stands = go(run, threads=2, advance=call_it_off)
    segments = stands["segments"]
    assert stands["finished"]
    assert stands["stopped"] == CANCELED
    assert segments["done"] == Coding.objects.filter(run=run).count() > 0
    assert segments["canceled"] == 80 - segments["done"] > 20
    assert segments["ended"] == 80
    assert set(Work.objects.filter(state="canceled").values_list("reason", flat=True)) == {CANCELED}
    assert booked(run) == Decimal(simulator.ledger["total"])
    with pytest.raises(Problem, match="resume"):
        start_run(run.study, "claude")
    simulator.service.configure(latency=0)
    resume(run)
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 80
    assert simulator.ledger["requests"] == 80


@pytest.mark.django_db
def test_what_failed_can_be_asked_again_with_all_its_tries(simulator: Running) -> None:
    simulator.faults({"holds": "number 2 ", "fault": "529"})
    run = start(4)
    assert go(run)["segments"]["failed"] == 1
    assert leases.ask_again(run) == 1
    simulator.faults({"holds": "number 2 ", "fault": "529", "times": 3})
    stands = go(run)
    assert stands["segments"]["done"] == 4
    assert stands["finished"]
    assert leases.ask_again(run) == 0
    assert progress(run)["finished"]


@pytest.mark.django_db
def test_a_codebook_too_large_for_one_request_is_asked_a_dimension_at_a_time(
    simulator: Running,
) -> None:
    simulator.words({"topics/hope": ["hope"], "stance/yes": ["good"]})
    run = start(12)
    whole = len(str(write(guide(run.revision)).schema))
    simulator.service.configure(largest_schema=whole - 1)
    stands = go(run)
    assert stands["by_dimension"]
    assert stands["segments"]["done"] == 12
    assert simulator.ledger["requests"] == 36
    assert booked(run) == Decimal(simulator.ledger["delivered"])
    codings = Coding.objects.filter(run=run)
    assert codings.count() == 12
    assert all(coding.dimensions == ["topics", "stance", "trust"] for coding in codings)
    assert Evidence.objects.filter(mark__coding__run=run, found="exact").count() == 24
    # It was found out once: one request more than three for each segment.
    assert Attempt.objects.filter(work__run=run).count() == 37
    make_segment("I hope for more.", run.study)
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 13
    assert Attempt.objects.filter(work__run=run).count() == 40


@pytest.mark.django_db
def test_parts_that_were_paid_for_before_a_crash_are_not_asked_for_again(
    simulator: Running,
) -> None:
    run = start(3)
    run.parameters["by_dimension"] = True
    run.save()
    simulator.faults({"nth": [3], "fault": "402"})
    assert go(run, threads=1)["stopped"]
    simulator.faults()
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 3
    assert len(simulator.ledger["entries"]) == 9
    assert booked(run) == Decimal(simulator.ledger["delivered"])


@pytest.mark.django_db
def test_a_dimension_that_is_too_large_for_itself_stops_the_run(simulator: Running) -> None:
    simulator.service.configure(largest_schema=50)
    stands = go(start(3))
    assert "too large for one request" in stands["stopped"]
    assert stands["segments"]["pending"] == 3


@pytest.mark.django_db
def test_a_server_that_does_not_hold_to_the_form_is_told_what_was_wrong(
    simulator: Running,
) -> None:
    simulator.service.configure(ignores_schema=True)
    run = start(6)
    stands = go(run)
    assert stands["segments"]["done"] == 6
    assert simulator.ledger["requests"] == 12
    first = Attempt.objects.filter(work__run=run, number=1).first()
    assert first is not None
    assert first.outcome == "invalid"


@pytest.mark.django_db
def test_the_loop_hands_over_when_its_time_is_up(simulator: Running) -> None:
    run = start(5)
    stands = go(run, until=0.0)
    assert stands["segments"]["pending"] == 5
    assert not stands["finished"]
    assert not stands["stopped"]


@pytest.mark.django_db
def test_the_embedded_coder_runs_through_the_same_loop() -> None:
    run = start(20, coder="embedded")
    make_segment("मुझे उम्मीद है।", run.study, language="hi")
    start_run(run.study, "embedded")
    stands = go(run, threads=2)
    assert stands["segments"]["done"] == 20
    assert stands["segments"]["refused"] == 1
    assert stands["requests"] == 0
    assert findings(run)["refused"] == {"language not covered": {"hi": 1}}


class Broken:
    """A coder with an error in it."""

    name, model, remote, batch = "broken", "none", False, 2

    def code(self, passages: Sequence[Passage], after: Failed | None = None) -> list[Reply]:
        if any("number 3 " in passage.text for passage in passages):
            raise ZeroDivisionError
        return [Reply(Answered((), ("topics",))) for _ in passages]

    def close(self) -> None:
        pass


@pytest.mark.django_db
def test_an_error_of_ours_about_one_text_does_not_stop_the_others() -> None:
    run = start(8, coder="embedded")
    stands = work_loop(run, Broken(), threads=1)
    assert stands["segments"]["done"] == 6
    assert findings(run)["failed"] == {"The coder has an error. (ZeroDivisionError)": {"en": 2}}


def test_quotes_are_looked_for_in_the_answer_that_is_coded() -> None:
    text = "I like tea. I like tea."
    turns = [(0, 11, "", "participant"), (12, 23, "", "participant")]
    make: Callable[[Quote], Reply] = lambda quote: Reply(  # noqa: E731
        Answered((Proposal("d", "c", quotes=(quote,)),), ("d",))
    )
    second = Passage(text, turns, 12, 23, "en")
    for quote in (Quote("I like tea."), Quote("I like tea.", 1), Quote("I like tea.", start=12)):
        [(_proposal, [row])] = supported(second, make(quote))
        assert (row.start, row.end, row.found) == (12, 23, "exact")


@pytest.mark.django_db
def test_a_run_in_which_something_succeeded_ends_though_all_that_is_left_fails(
    simulator: Running,
) -> None:
    run = start(2)
    assert go(run)["segments"]["done"] == 2
    simulator.faults({"every": 1, "fault": "not_json"})
    for number in range(7):
        make_segment(f"I hope for another {number}.", run.study)
    stands = go(start_run(run.study, "claude"))
    assert stands["segments"]["failed"] == 7
    assert stands["finished"]
    assert not stands["stopped"]


@pytest.mark.django_db
def test_a_server_that_never_gives_a_usable_answer_is_not_asked_about_everything(
    simulator: Running,
) -> None:
    simulator.faults({"every": 1, "fault": "not_json"})
    run = start(30)
    stands = go(run)
    assert stands["stopped"].startswith("The first interviews all failed.")
    assert stands["requests"] == 10  # five interviews, each asked about once more
    assert stands["segments"]["pending"] == 30
    simulator.faults()
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 30
