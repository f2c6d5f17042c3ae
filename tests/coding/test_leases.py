import os
import subprocess
import sys
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.utils import timezone

from coding import leases
from coding.coders import Answered, Failed, NotCovered, Proposal, Quote, Refused, Reply, Usage
from coding.leases import Answer, Pace, Piece
from coding.loop import supported
from coding.models import Attempt, Coding, Outcome, Run, State, Work
from coding.prices import price
from tests.factories import make_revision, make_run, make_segment, make_study

HAIKU = "claude-haiku-5-5"


def run_with(count: int, **fields: object) -> Run:
    study = make_study()
    for number in range(count):
        make_segment(f"I worry about the number {number}.", study)
    run = make_run(make_revision(study), **fields)
    assert leases.add_work(run) == count
    return run


def states(run: Run) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Work.objects.filter(run=run).values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def settle(
    run: Run, owner: str, piece: Piece, reply: Reply, pace: Pace | None = None
) -> list[Piece]:
    codes = {
        (dimension, key): pk
        for dimension, key, pk in run.revision.dimensions.values_list(
            "key", "codes__key", "codes__pk"
        )
    }
    answer = Answer(piece, reply, supported(piece.passage, reply))
    return leases.settle(run, owner, [answer], codes=codes, price=price(HAIKU), pace=pace or Pace())


HOPE = Reply(
    Answered((Proposal("topics", "hope", quotes=(Quote("I worry about"),)),), ("topics",)),
    usage=Usage(input=1_000, output=100),
    raw=b"{}",
)


@pytest.mark.django_db
def test_work_is_made_once_for_every_segment_and_added_for_new_ones() -> None:
    run = run_with(3)
    assert leases.add_work(run) == 0
    make_segment("Another.", run.study)
    make_segment("Of another study.")
    assert leases.add_work(run) == 1
    assert states(run) == {"pending": 4}


@pytest.mark.django_db
def test_what_is_leased_is_nobody_elses_until_it_is_given_back() -> None:
    run = run_with(5)
    first = leases.lease(run, "a:1:x", 3)
    second = leases.lease(run, "b:1:x", 10)
    assert len(first) == 3
    assert len(second) == 2
    assert not {piece.work for piece in first} & {piece.work for piece in second}
    assert leases.give_back(run, "a:1:x") == 3
    assert states(run) == {"pending": 3, "leased": 2}


@pytest.mark.django_db
def test_an_expired_lease_comes_back_and_a_renewed_one_does_not() -> None:
    run = run_with(2)
    leases.lease(run, "a:1:x", 1)
    leases.lease(run, "b:1:x", 1)
    Work.objects.filter(run=run).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert leases.renew(run, "b:1:x") == 1
    assert len(leases.lease(run, "c:1:x", 10)) == 1


@pytest.mark.django_db
def test_the_lease_of_a_dead_process_on_this_machine_comes_back_at_once() -> None:
    run = run_with(2)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owner = leases.new_owner()
    host, _pid, name = owner.split(":")
    leases.lease(run, f"{host}:{dead.pid}:{name}", 1)
    leases.lease(run, f"{host}:{os.getppid()}:{name}", 1)
    assert len(leases.lease(run, owner, 10)) == 1


@pytest.mark.django_db
def test_a_lease_from_before_a_restart_with_the_same_process_id_comes_back() -> None:
    run = run_with(1)
    before = leases.new_owner()
    leases.lease(run, before, 1)
    leases.at_work.add(before)
    assert not leases.is_dead(before)
    leases.at_work.discard(before)
    assert len(leases.lease(run, leases.new_owner(), 1)) == 1


@pytest.mark.django_db
def test_work_that_is_not_due_waits() -> None:
    run = run_with(1)
    later = timezone.now() + timedelta(seconds=60)
    Work.objects.filter(run=run).update(not_before=later)
    assert leases.lease(run, "a:1:x", 1) == []
    assert leases.next_due(run) == later


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_never_get_the_same_piece() -> None:
    run = run_with(120)
    taken: list[list[int]] = []
    start = threading.Barrier(6)

    def worker(number: int) -> None:
        try:
            start.wait()
            mine: list[int] = []
            while pieces := leases.lease(run, f"host:{number}:x", 7):
                mine += [piece.work for piece in pieces]
            taken.append(mine)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [work for mine in taken for work in mine]
    assert len(everything) == len(set(everything)) == 120
    assert states(run) == {"leased": 120}
    assert connection.vendor in ("sqlite", "postgresql")


@pytest.mark.django_db
def test_an_answer_is_written_down_with_its_marks_evidence_and_money() -> None:
    run = run_with(1, coder="claude", model=HAIKU)
    piece = leases.lease(run, "a:1:x", 1)[0]
    most = Decimal("0.001")
    assert leases.begin(run, "a:1:x", [(piece, most)], HAIKU) == [piece]
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.cost) == (Outcome.SENT, most)
    run.refresh_from_db()
    assert run.committed == most

    assert settle(run, "a:1:x", piece, HOPE) == []
    attempt.refresh_from_db()
    assert attempt.outcome == Outcome.OK
    assert attempt.cost == Decimal("0.00015")
    assert attempt.input_tokens == 1_000
    run.refresh_from_db()
    assert run.committed == Decimal("0.00015")
    coding = Coding.objects.get(run=run)
    assert coding.dimensions == ["topics"]
    mark = coding.marks.get()
    assert mark.code.key == "hope"
    evidence = mark.evidence.get()
    assert (evidence.start, evidence.end, evidence.found) == (0, 13, "exact")
    assert states(run) == {"done": 1}


@pytest.mark.django_db
def test_who_lost_the_lease_books_the_money_and_decides_nothing() -> None:
    run = run_with(1, coder="claude", model=HAIKU)
    late = leases.lease(run, "late:1:x", 1)[0]
    leases.begin(run, "late:1:x", [(late, Decimal("0.001"))], HAIKU)
    leases.give_back(run, "late:1:x")
    piece = leases.lease(run, "next:1:x", 1)[0]
    leases.begin(run, "next:1:x", [(piece, Decimal("0.001"))], HAIKU)
    settle(run, "next:1:x", piece, HOPE)
    settle(run, "late:1:x", late, HOPE)
    assert Coding.objects.filter(run=run).count() == 1
    assert [a.cost for a in Attempt.objects.order_by("number")] == [Decimal("0.00015")] * 2
    run.refresh_from_db()
    assert run.committed == Decimal("0.0003")


@pytest.mark.django_db
def test_a_request_is_not_sent_for_work_that_was_lost_meanwhile() -> None:
    run = run_with(1, coder="claude", model=HAIKU)
    late = leases.lease(run, "late:1:x", 1)[0]
    leases.give_back(run, "late:1:x")
    assert leases.begin(run, "late:1:x", [(late, Decimal(1))], HAIKU) == []
    assert not Attempt.objects.exists()
    run.refresh_from_db()
    assert run.committed == 0


@pytest.mark.django_db
def test_what_the_budget_does_not_have_is_not_sent() -> None:
    run = run_with(2, coder="claude", model=HAIKU, budget=Decimal("0.0015"))
    first, second = leases.lease(run, "a:1:x", 2)
    most = Decimal("0.001")
    assert leases.begin(run, "a:1:x", [(first, most)], HAIKU) == [first]
    assert leases.begin(run, "a:1:x", [(second, most)], HAIKU) is None
    settle(run, "a:1:x", first, HOPE)  # it cost less than was set aside
    assert leases.begin(run, "a:1:x", [(second, most)], HAIKU) == [second]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Refused("The model refused."), "refused"),
        (NotCovered("language not covered"), "refused"),
        (Failed("Too long."), "failed"),
    ],
    ids=["refused", "not covered", "failed"],
)
def test_a_piece_that_cannot_be_decided_ends_with_its_reason(
    outcome: Refused | NotCovered | Failed, state: str
) -> None:
    run = run_with(1)
    piece = leases.lease(run, "a:1:x", 1)[0]
    settle(run, "a:1:x", piece, Reply(outcome))
    work = Work.objects.get(run=run)
    assert (work.state, work.reason) == (state, outcome.reason)
    assert not Coding.objects.exists()


@pytest.mark.django_db
def test_a_bad_answer_is_asked_for_once_more_and_then_it_has_failed() -> None:
    run = run_with(1, coder="claude", model=HAIKU)
    piece = leases.lease(run, "a:1:x", 1)[0]
    bad = Reply(Failed("Not JSON.", 0.0), usage=Usage(10, 10))
    leases.begin(run, "a:1:x", [(piece, Decimal(0))], HAIKU)
    assert settle(run, "a:1:x", piece, bad) == [piece]
    assert piece.after == bad.outcome
    assert states(run) == {"leased": 1}
    leases.begin(run, "a:1:x", [(piece, Decimal(0))], HAIKU)
    assert settle(run, "a:1:x", piece, bad) == []
    assert states(run) == {"failed": 1}
    assert [a.number for a in Attempt.objects.order_by("number")] == [1, 2]


@pytest.mark.django_db
def test_a_bad_service_is_asked_again_later_but_not_for_ever() -> None:
    run = run_with(1, coder="claude", model=HAIKU)
    pace = Pace(most_attempts=2)
    busy = Reply(Failed("Busy.", 30.0, service=True))
    for state in (State.PENDING, State.FAILED):
        Work.objects.filter(run=run).update(not_before=None)
        piece = leases.lease(run, "a:1:x", 1)[0]
        leases.begin(run, "a:1:x", [(piece, Decimal("0.001"))], HAIKU)
        settle(run, "a:1:x", piece, busy, pace)
        work = Work.objects.get(run=run)
        assert work.state == state
    run.refresh_from_db()
    assert run.committed == 0  # a busy service charges nothing


@pytest.mark.django_db
def test_a_lost_answer_keeps_its_money_set_aside() -> None:
    run = run_with(1, coder="claude", model=HAIKU)
    piece = leases.lease(run, "a:1:x", 1)[0]
    leases.begin(run, "a:1:x", [(piece, Decimal("0.001"))], HAIKU)
    lost = Reply(Failed("The connection broke.", 0.0, service=True), maybe_billed=True)
    settle(run, "a:1:x", piece, lost)
    run.refresh_from_db()
    assert run.committed == Decimal("0.001")
    assert Attempt.objects.get().input_tokens is None


@pytest.mark.django_db
def test_a_code_that_is_not_in_the_codebook_becomes_no_mark() -> None:
    run = run_with(1)
    piece = leases.lease(run, "a:1:x", 1)[0]
    made_up = Answered((Proposal("topics", "made_up", rationale="\x00"),), ("topics",))
    settle(run, "a:1:x", piece, Reply(made_up))
    assert Coding.objects.get(run=run).marks.count() == 0
