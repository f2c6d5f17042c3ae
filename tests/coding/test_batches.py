import json
import zlib
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from coding import leases
from coding.batches import Courier, batch_loop, terms
from coding.coders.claude import ClaudeCoder
from coding.collecting import GONE, MISSING, NEVER_ARRIVED, UNKNOWN_BATCH
from coding.crew import BUDGET_SPENT
from coding.errands import Errand, Terms
from coding.leases import Pace
from coding.ledger import maybe_billed
from coding.loop import work_loop
from coding.models import Attempt, Batch, BatchState, Coding, Evidence, Run, State, Work
from coding.prompts import write
from coding.runs import CANCELED, coder_for, findings, guide, progress, resume, start_run
from coding.tasks import sweep, tell
from studies.problems import Problem
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.server import Running

QUICK = Terms(poll=0.01, longest_poll=0.02, grace=0.0)
CENT = Decimal("0.00000002")  # the ledger's columns end at nine places; half a price may have ten
PACE = Pace(first_wait=0.01, longest_wait=0.02, most_attempts=5, patience=10)


def start(count: int, text: str = "I hope number {n} is good.", **options: Any) -> Run:
    study = make_study()
    make_revision(study, one=["yes", "no"], scale=(0, 10))
    for number in range(count):
        make_segment(text.format(n=number), study)
    return start_run(study, "claude", **options)


def claude(run: Run) -> ClaudeCoder:
    coder = coder_for(run)
    assert isinstance(coder, ClaudeCoder)
    return coder


def go(run: Run, given: Terms = QUICK, **options: Any) -> dict[str, Any]:
    with closing(claude(run)) as coder:
        return batch_loop(run, coder, given=given, **{"pace": PACE, **options})


def courier(run: Run, coder: ClaudeCoder, given: Terms = QUICK) -> Courier:
    return Courier(Errand(run, coder, given, PACE, canceling=False))


def leave(run: Run) -> dict[str, Any]:
    """Send a batch and leave it with the service."""
    with closing(claude(run)) as coder:
        one = courier(run, coder)
        leases.at_work.add(one.errand.owner)
        one.sender.send_next()
        leases.at_work.discard(one.errand.owner)
    return progress(run)


def booked(run: Run) -> Decimal:
    known = Attempt.objects.filter(work__run=run, input_tokens__isnull=False)
    return sum((row.cost for row in known), Decimal(0))


def same(booked: Decimal, charged: str) -> bool:
    """Return whether two sums are the same but for the tenth place of a few rows."""
    return abs(booked - Decimal(charged)) < CENT


def holds(run: Run, simulator: Running, count: int) -> None:
    """Check what has to be true of every run that ended, whatever went wrong."""
    states = list(Work.objects.filter(run=run).values_list("state", flat=True))
    assert len(states) == count
    assert not {"pending", "leased"} & set(states)
    assert Coding.objects.filter(run=run).count() == states.count("done")
    assert not Batch.objects.filter(run=run, state__in=["sending", "running"]).exists()
    assert not Attempt.objects.filter(work__run=run, outcome="sent").exists()
    ledger = simulator.ledger
    assert same(booked(run), ledger["delivered"])
    lost = Decimal(str(progress(run)["maybe_billed"]["at_most"]))
    assert Decimal(ledger["total"]) <= booked(run) + lost + CENT
    run.refresh_from_db()
    assert run.committed >= booked(run)
    sent = ledger["requests"]
    assert go(start_run(run.study, "claude"))["finished"]
    assert simulator.ledger["requests"] == sent


@pytest.mark.django_db
def test_a_run_in_batches_codes_every_segment_once_at_half_the_price(simulator: Running) -> None:
    simulator.words({"topics/hope": ["hope"], "stance/yes": ["good"]})
    run = start(25)
    heard: list[int] = []
    stands = go(run, Terms(most_requests=10, poll=0.01), advance=heard.append)
    assert stands["segments"]["done"] == 25
    assert stands["finished"]
    assert sum(heard) == 25
    assert list(Batch.objects.order_by("pk").values_list("requests", flat=True)) == [10, 10, 5]
    assert simulator.ledger["requests"] == stands["requests"] == 25
    assert Evidence.objects.filter(mark__coding__run=run, found="exact").count() == 50
    assert stands["batches"] == {"open": 0, "requests": 0}
    batched = booked(run)
    holds(run, simulator, 25)

    single = start(25)
    with closing(coder_for(single)) as coder:
        work_loop(single, coder, threads=2)
    assert batched == pytest.approx(booked(single) / 2, rel=Decimal("0.1"))


@pytest.mark.django_db
def test_the_answer_is_kept_with_the_name_of_its_message(simulator: Running) -> None:
    run = start(1)
    go(run)
    row = Attempt.objects.get()
    assert row.answer is not None
    assert row.batch is not None
    assert json.loads(zlib.decompress(row.answer))["id"] == row.request_id == "msg_b00000001"
    assert row.batch.remote_id == "msgbatch_000001"


@pytest.mark.django_db
def test_batches_are_split_by_bytes(simulator: Running) -> None:
    run = start(6, text="Number {n}. " + "ó" * 5_000)
    go(run, Terms(most_bytes=60_000, poll=0.01))
    sizes = list(Batch.objects.values_list("size", flat=True))
    assert len(sizes) > 1
    assert max(sizes) <= 60_000
    holds(run, simulator, 6)


@pytest.mark.django_db
def test_an_interview_larger_than_a_batch_is_a_batch_of_its_own(simulator: Running) -> None:
    run = start(2)
    go(run, Terms(most_bytes=10, poll=0.01))
    assert list(Batch.objects.values_list("requests", flat=True)) == [1, 1]


@pytest.mark.django_db
def test_the_first_batch_is_small_and_shows_whether_the_cache_is_worth_it(
    simulator: Running,
) -> None:
    for misses in (False, True):
        simulator.service.configure(batch_misses=misses)
        study = make_study()
        make_revision(study, many=[f"code_{number}_of_many" for number in range(40)])
        for number in range(12):
            make_segment(f"Number {number}.", study)
        run = start_run(study, "claude")
        go(run, Terms(first=3, most_requests=20, poll=0.01))
        mine = Batch.objects.filter(run=run).order_by("pk")
        assert list(mine.values_list("requests", flat=True)) == [3, 9]
        cached = Attempt.objects.filter(batch=mine[1], cache_write_tokens__gt=0).exists()
        read = Attempt.objects.filter(batch=mine[1], cache_read_tokens__gt=0).exists()
        assert not cached
        assert read is not misses


@pytest.mark.django_db
@pytest.mark.parametrize(
    "faults",
    [
        [{"on": "create", "nth": 1, "fault": "429"}],
        [{"on": "create", "nth": 1, "fault": "529"}],
        [{"on": "create", "nth": 1, "fault": "reset_before"}],
        [{"on": "create", "nth": 1, "fault": "500"}],
        [{"on": "create", "nth": 1, "fault": "html"}],
        [{"on": "create", "nth": 1, "fault": "orphan"}],
        [{"on": "create", "nth": 1, "fault": "orphan"}, {"on": "list", "nth": 1, "fault": "500"}],
        [{"on": "create", "nth": 1, "fault": "orphan"}, {"on": "list", "nth": 1, "fault": "html"}],
        [{"on": "create", "nth": 1, "fault": "orphan"}, {"on": "list", "nth": 1, "fault": "json"}],
        [{"on": "create", "nth": 1, "fault": "orphan"}, {"on": "results", "fault": "unknown"}],
        [{"on": "retrieve", "times": 3, "fault": "500"}],
        [{"on": "retrieve", "times": 1, "fault": "html"}],
        [{"on": "retrieve", "times": 1, "fault": "json"}],
        [{"on": "retrieve", "nth": 2, "fault": "html"}],
        [{"on": "retrieve", "times": 1, "fault": "reset_before"}],
        [{"on": "results", "times": 2, "fault": "cut_mid"}],
        [{"on": "results", "times": 2, "fault": "cut_line"}],
        [{"on": "results", "times": 1, "fault": "500"}],
        [{"on": "results", "fault": "duplicate"}],
        [{"on": "results", "fault": "unknown"}],
        [{"on": "results", "times": 1, "fault": "missing"}],
        [{"on": "end", "times": 1, "fault": "all_expired"}],
    ],
    ids=str,
)
def test_every_segment_is_coded_once_though_the_service_fails(
    simulator: Running, faults: list[dict[str, Any]]
) -> None:
    simulator.batch_faults(*faults)
    run = start(12)
    stands = go(run)
    assert stands["segments"]["done"] == 12
    again = 12 if {"on": "end", "times": 1, "fault": "all_expired", "used": 1} in faults else 0
    assert simulator.ledger["requests"] == 12 + again
    assert stands["maybe_billed"]["requests"] == 0
    holds(run, simulator, 12)


@pytest.mark.django_db
def test_an_orphan_is_adopted_by_the_names_of_its_requests_and_not_sent_again(
    simulator: Running,
) -> None:
    # Another of the same size, by another project: looked into, and left alone.
    stranger = start(4)
    go(stranger)
    Batch.objects.all().delete()
    simulator.batch_faults({"on": "create", "nth": 2, "fault": "orphan"})
    run = start(4)
    stands = go(run)
    assert stands["segments"]["done"] == 4
    assert Batch.objects.get().remote_id == "msgbatch_000002"
    assert simulator.ledger["requests"] == 8
    assert booked(run) > 0


@pytest.mark.django_db
def test_a_batch_that_never_arrived_is_given_up_after_a_while_and_sent_again(
    simulator: Running,
) -> None:
    simulator.batch_faults({"on": "create", "nth": 1, "fault": "reset_before"})
    run = start(3)
    with closing(claude(run)) as coder:
        one = courier(run, coder, Terms(poll=0.01, grace=1_000))
        leases.at_work.add(one.errand.owner)
        one.sender.send_next()
        batch = Batch.objects.get()
        assert batch.state == BatchState.SENDING
        assert batch.doubted_at is not None
        assert not one.collector.look_for_lost()
        assert Work.objects.filter(state=State.LEASED).count() == 3
    stands = go(run)
    assert stands["segments"]["done"] == 3
    batch.refresh_from_db()
    assert batch.state == BatchState.LOST
    lost = Attempt.objects.filter(batch=batch)
    assert {(row.error, row.cost) for row in lost} == {(NEVER_ARRIVED, Decimal(0))}
    assert simulator.ledger["requests"] == 3


@pytest.mark.django_db
def test_a_batch_that_another_process_is_sending_is_left_to_it(simulator: Running) -> None:
    run = start(3)
    with closing(claude(run)) as coder:
        first = courier(run, coder)
        leases.at_work.add(first.errand.owner)
        prepared = first.sender.prepare(10)
        second = courier(run, coder)
        assert not second.collector.look_for_lost()
        assert Batch.objects.get().state == BatchState.SENDING
        assert second.sender.prepare(10) is None  # and its interviews are nobody else's
        leases.at_work.discard(first.errand.owner)
        assert prepared is not None
        prepared[1].close()
        assert second.collector.look_for_lost()
        assert Batch.objects.get().state == BatchState.LOST


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["wrong_label", "not_json", "max_tokens", "invalid"])
def test_a_bad_answer_is_asked_for_once_more_and_then_no_more(
    simulator: Running, fault: str
) -> None:
    simulator.faults(
        {"holds": "number 2 ", "times": 1, "fault": fault}, {"holds": "number 5 ", "fault": fault}
    )
    run = start(8)
    stands = go(run)
    assert stands["segments"]["done"] == 7
    assert stands["segments"]["failed"] == 1
    assert Work.objects.get(run=run, state=State.FAILED).attempts == 2
    assert simulator.ledger["requests"] == 10
    holds(run, simulator, 8)


@pytest.mark.django_db
def test_an_answer_that_was_cut_gets_more_room_in_the_next_batch(simulator: Running) -> None:
    simulator.faults({"holds": "number 2 ", "fault": "max_tokens", "needs": 5_000})
    run = start(3)
    assert go(run)["segments"]["done"] == 3


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["errored", "expired"])
def test_a_share_that_errs_or_expires_is_sent_again_and_not_for_ever(
    simulator: Running, fault: str
) -> None:
    simulator.faults({"holds": "number 7 ", "fault": fault}, {"every": 3, "fault": fault})
    run = start(12)
    stands = go(run)
    assert stands["segments"]["done"] == 11
    assert Work.objects.get(run=run, state=State.FAILED).attempts == PACE.most_attempts
    holds(run, simulator, 12)


@pytest.mark.django_db
def test_a_refusal_is_an_end_and_is_counted_by_language(simulator: Running) -> None:
    simulator.faults({"holds": "number 2 ", "fault": "refusal", "category": "bio"})
    run = start(4)
    stands = go(run)
    assert stands["segments"]["refused"] == 1
    assert findings(run)["refused"] == {"The model refused. (bio)": {"en": 1}}
    holds(run, simulator, 4)


@pytest.mark.django_db
def test_an_answer_without_usage_may_have_been_billed_and_is_listed(simulator: Running) -> None:
    simulator.faults({"holds": "number 2 ", "fault": "missing_usage"})
    run = start(4)
    stands = go(run)
    assert stands["segments"]["done"] == 4
    assert stands["maybe_billed"]["requests"] == len(maybe_billed(run)) == 1


@pytest.mark.django_db
def test_what_stays_missing_from_the_results_is_maybe_billed_and_sent_again(
    simulator: Running,
) -> None:
    simulator.batch_faults({"on": "results", "times": 3, "fault": "missing"})
    run = start(5)
    stands = go(run)
    assert stands["segments"]["done"] == 5
    row = Attempt.objects.get(error=MISSING)
    assert row.cost > 0
    assert stands["maybe_billed"]["requests"] == 1
    assert simulator.ledger["requests"] == 6
    assert same(booked(run), simulator.ledger["delivered"])


@pytest.mark.django_db
def test_when_nothing_of_a_batch_succeeds_the_run_stops_and_nothing_is_given_up(
    simulator: Running,
) -> None:
    simulator.faults({"every": 1, "fault": "invalid", "message": "something is wrong"})
    run = start(6)
    stands = go(run)
    assert "something is wrong" in stands["stopped"]
    assert stands["segments"]["pending"] == 6
    assert simulator.ledger["billed"] == 0
    simulator.faults()
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 6


@pytest.mark.django_db
@pytest.mark.parametrize("on", ["create", "retrieve", "results"])
@pytest.mark.parametrize("fault", ["401", "402", "403", "spend_limit"])
def test_the_run_stops_with_a_sentence_when_only_a_person_can_help(
    simulator: Running, on: str, fault: str
) -> None:
    simulator.batch_faults({"on": on, "fault": fault})
    run = start(5)
    stands = go(run)
    assert stands["stopped"]
    assert stands["segments"]["done"] == 0
    simulator.batch_faults()
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 5
    assert simulator.ledger["requests"] == 5


@pytest.mark.django_db
def test_a_batch_that_is_too_large_for_the_service_is_halved(simulator: Running) -> None:
    simulator.batch_faults({"on": "create", "nth": 1, "fault": "413"})
    run = start(8)
    go(run)
    assert Batch.objects.filter(state=BatchState.SETTLED).count() >= 2
    holds(run, simulator, 8)


@pytest.mark.django_db
def test_a_service_that_is_down_for_long_stops_the_run(simulator: Running) -> None:
    simulator.batch_faults({"on": "create", "fault": "529"})
    run = start(3)
    stands = go(run, pace=Pace(first_wait=0.01, longest_wait=0.02, patience=0.3))
    assert "has not answered for a long time" in stands["stopped"]
    assert stands["segments"]["pending"] == 3
    assert booked(run) == 0


@pytest.mark.django_db
def test_a_batch_is_only_sent_if_all_of_it_fits_the_budget(simulator: Running) -> None:
    run = start(60, budget=Decimal("0.002"))
    stands = go(run)
    assert stands["stopped"] == BUDGET_SPENT
    charged = Decimal(simulator.ledger["total"])
    assert Decimal("0.0008") < charged <= Decimal("0.002")
    assert 0 < stands["segments"]["done"] < 60
    assert stands["segments"]["leased"] == 0
    more = start_run(run.study, "claude", budget=Decimal(1))
    assert go(more)["segments"]["done"] == 60
    holds(more, simulator, 60)


@pytest.mark.django_db
def test_a_run_can_be_left_and_its_batch_is_fetched_later(simulator: Running) -> None:
    simulator.service.configure(batch_polls=10**9)
    run = start(4)
    stands = leave(run)
    assert stands["batches"] == {"open": 1, "requests": 4}
    assert stands["maybe_billed"]["requests"] == 0
    assert not maybe_billed(run)
    assert not stands["finished"]
    # One by one there is nothing to do meanwhile, and no waiting either.
    with closing(coder_for(run)) as coder:
        assert work_loop(run, coder, threads=1)["segments"]["leased"] == 4
    simulator.service.configure(batch_polls=0)
    assert go(run)["segments"]["done"] == 4
    assert simulator.ledger["requests"] == 4


@pytest.mark.django_db
def test_after_a_day_a_stuck_batch_expires_and_is_sent_again(simulator: Running) -> None:
    simulator.batch_faults({"on": "end", "times": 1, "fault": "stuck"})
    run = start(3)
    assert leave(run)["batches"]["open"] == 1
    simulator.batch_faults()
    simulator.service.configure(clock=86_401.0)
    assert go(run)["segments"]["done"] == 3
    assert simulator.ledger["billed"] == 3
    holds(run, simulator, 3)


@pytest.mark.django_db
def test_after_29_days_the_answers_are_gone_and_the_interviews_are_sent_again(
    simulator: Running,
) -> None:
    simulator.service.configure(batch_polls=10**9)
    run = start(3)
    leave(run)
    simulator.service.configure(clock=30 * 86_400.0, batch_polls=0)
    Batch.objects.update(created_at=timezone.now() - timedelta(days=30))
    stands = go(run, until=None)
    assert Attempt.objects.filter(error=GONE).count() == 3
    assert stands["segments"]["done"] == 3
    assert stands["maybe_billed"]["requests"] == 3


@pytest.mark.django_db
def test_a_batch_that_the_service_does_not_know_stops_the_run_until_it_is_given_up(
    simulator: Running,
) -> None:
    simulator.service.configure(batch_polls=10**9)
    run = start(3)
    leave(run)
    simulator.service.batches.all.clear()
    simulator.service.configure(batch_polls=0)
    assert go(run)["stopped"] == UNKNOWN_BATCH
    run = start_run(run.study, "claude")
    stands = go(run, cancel=True)
    assert stands["segments"]["pending"] == 3
    assert stands["maybe_billed"]["requests"] == 3
    assert go(run)["segments"]["done"] == 3


@pytest.mark.django_db
def test_canceling_keeps_what_was_answered_and_gives_back_the_rest(simulator: Running) -> None:
    simulator.service.configure(batch_polls=10**9)
    run = start(9)
    leave(run)
    stands = go(run, cancel=True)
    simulator.service.configure(batch_polls=0)
    ledger = simulator.ledger
    # The race: some were being worked on, ended, and are paid for.
    assert stands["segments"]["done"] == ledger["billed"] > 0
    assert stands["segments"]["pending"] == 9 - ledger["billed"]
    assert same(booked(run), ledger["delivered"])
    assert not stands["finished"]
    assert go(run)["segments"]["done"] == 9
    holds(run, simulator, 9)


@pytest.mark.django_db
def test_two_processes_at_one_batch_settle_each_answer_once(simulator: Running) -> None:
    run = start(6)
    with closing(claude(run)) as coder:
        first, second = courier(run, coder), courier(run, coder)
        leases.at_work.add(first.errand.owner)
        first.sender.send_next()
        simulator.service.configure(batch_polls=0)
        batch = Batch.objects.get()
        found = first.errand.service.look(batch.remote_id)
        assert found.ended
        assert first.collector.fetch(batch, found)
        assert second.collector.fetch(batch, found)
    assert Coding.objects.filter(run=run).count() == 6
    assert same(booked(run), simulator.ledger["delivered"])
    run.refresh_from_db()
    assert run.committed == booked(run)


@pytest.mark.django_db
def test_the_size_of_a_batch_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terms().most_bytes == 64_000_000
    monkeypatch.setenv("CONCORD_BATCH_MB", "128")
    assert terms().most_bytes == 128_000_000
    monkeypatch.setenv("CONCORD_BATCH_MB", "much")
    with pytest.raises(Problem, match="from 1 to 256"):
        terms()


@pytest.mark.django_db
def test_a_codebook_too_large_for_one_request_goes_a_dimension_a_batch(simulator: Running) -> None:
    simulator.words({"topics/hope": ["hope"], "stance/yes": ["good"]})
    simulator.faults({"holds": "number 2 ", "times": 1, "fault": "not_json"})
    run = start(8)
    simulator.service.configure(largest_schema=len(str(write(guide(run.revision)).schema)) - 1)
    stands = go(run)
    assert stands["by_dimension"]
    assert stands["segments"]["done"] == 8
    codings = Coding.objects.filter(run=run)
    assert all(coding.dimensions == ["topics", "stance", "trust"] for coding in codings)
    assert Evidence.objects.filter(mark__coding__run=run, found="exact").count() == 16
    # The first batch found it out and cost nothing; then three of each, and one was asked again.
    assert simulator.ledger["billed"] == 25
    assert Attempt.objects.filter(work__run=run).count() == 8 + 25
    holds(run, simulator, 8)


@pytest.mark.django_db
def test_a_dimension_that_is_too_large_for_itself_stops_the_batches(simulator: Running) -> None:
    simulator.service.configure(largest_schema=50)
    run = start(3)
    stands = go(run)
    assert "too large for one request" in stands["stopped"]
    assert stands["segments"]["pending"] == 3
    assert simulator.ledger["billed"] == 0
    simulator.service.configure(largest_schema=60_000)
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 3


@pytest.mark.django_db
def test_parts_in_a_batch_that_was_left_are_fetched_and_not_asked_for_again(
    simulator: Running,
) -> None:
    run = start(4)
    run.parameters["by_dimension"] = True
    run.save()
    simulator.service.configure(batch_polls=10**9)
    leave(run)
    simulator.service.configure(batch_polls=0)
    run.refresh_from_db()
    assert go(run)["segments"]["done"] == 4
    assert simulator.ledger["billed"] == 12
    holds(run, simulator, 4)


@pytest.mark.django_db
def test_canceling_a_run_stops_its_batches_at_the_service_and_keeps_what_was_answered(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.service.configure(batch_polls=10**9)
    run = start(9)
    leave(run)
    call_command("run", run.study.slug, "cancel", "--json")
    said = json.loads(capsys.readouterr().out)
    assert simulator.service.batches.calls["cancel"] == 1
    ledger = simulator.ledger
    assert said["finished"]
    assert said["stopped"] == CANCELED
    assert said["segments"]["done"] == ledger["billed"] > 0
    assert said["segments"]["canceled"] == 9 - ledger["billed"]
    assert said["batches"] == {"open": 0, "requests": 0}
    assert same(booked(run), ledger["delivered"])
    simulator.service.configure(batch_polls=0)
    resume(run)
    assert go(start_run(run.study, "claude"))["segments"]["done"] == 9
    holds(run, simulator, 9)


@pytest.mark.django_db
def test_what_the_service_takes_long_to_stop_is_fetched_by_the_sweeper_later(
    simulator: Running,
) -> None:
    simulator.service.configure(batch_polls=10**9)
    simulator.batch_faults({"on": "end", "times": 3, "fault": "stuck"})
    run = start(6)
    leave(run)
    tell(run, "cancel", patience=0.0)
    run.refresh_from_db()
    assert run.stopped_because == CANCELED
    assert run.finished_at is None  # what had been answered is not known yet, nor what it costs
    simulator.batch_faults()
    simulator.service.batches.all["msgbatch_000001"].fault = ""
    for _look in range(3):
        sweep()
    assert progress(run)["segments"]["ended"] == 6
    assert Run.objects.filter(pk=run.pk, finished_at__isnull=False).exists()
    assert booked(run) > 0
    assert same(booked(run), simulator.ledger["delivered"])


@pytest.mark.django_db
def test_a_canceled_run_whose_key_is_gone_says_that_its_batches_go_on(
    simulator: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    simulator.service.configure(batch_polls=10**9)
    run = start(2)
    leave(run)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Problem, match="its batches could not be stopped"):
        tell(run, "cancel")
    run.refresh_from_db()
    assert run.stopped_because == CANCELED
    sweep()  # asks again each time, and takes no harm
    assert Batch.objects.get().state == BatchState.RUNNING
