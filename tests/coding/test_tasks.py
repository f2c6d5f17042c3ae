from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from coding import leases, runs, tasks
from coding.models import Run, Work
from coding.runs import progress, start_run
from coding.tasks import go_on, sweep, wake
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.server import Running


def start(count: int) -> Run:
    study = make_study()
    make_revision(study)
    for number in range(count):
        make_segment(f"Text {number}.", study)
    return start_run(study, "claude")


@pytest.mark.django_db
def test_a_woken_run_is_worked_on_to_its_end(simulator: Running) -> None:
    run = start(6)
    go_on(run.pk)
    assert progress(run)["finished"]


@pytest.mark.django_db
def test_a_shift_that_ends_early_is_followed_by_another(
    simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SHIFT", 0.05)
    simulator.service.configure(latency=0.03)
    run = start(8)
    go_on(run.pk)  # without a broker the next shift runs at once
    assert progress(run)["segments"]["done"] == 8


@pytest.mark.django_db
def test_a_run_that_is_stopped_finished_or_gone_is_left_alone(simulator: Running) -> None:
    run = start(2)
    Run.objects.filter(pk=run.pk).update(stopped_because="paused")
    go_on(run.pk)
    go_on(run.pk + 1_000)
    assert simulator.ledger["requests"] == 0
    assert Work.objects.filter(run=run, state="pending").count() == 2


@pytest.mark.django_db
def test_a_run_without_a_key_says_so_and_is_not_woken_again(
    simulator: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = start(2)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    go_on(run.pk)
    run.refresh_from_db()
    assert "There is no key for Claude" in run.stopped_because


@pytest.mark.django_db
def test_the_sweeper_wakes_what_was_given_to_the_workers_and_nobody_works_on(
    simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr(go_on, "apply_async", lambda arguments, **_more: woken.append(arguments[0]))
    long_ago = timezone.now() - timedelta(hours=1)
    lost, own, paused, busy, fresh = (start(2) for _ in range(5))
    for run in (lost, paused, busy):
        Run.objects.filter(pk=run.pk).update(woken_at=long_ago)
    Run.objects.filter(pk=fresh.pk).update(woken_at=timezone.now())
    runs.pause(paused)
    leases.lease(busy, "elsewhere:1:x", 1)
    leases.lease(lost, "elsewhere:2:x", 2)
    Work.objects.filter(run=lost).update(lease_until=long_ago)
    sweep()
    assert woken == [lost.pk]
    assert Work.objects.filter(run=lost, state="pending").count() == 2
    assert Work.objects.filter(run=busy, state="leased").count() == 1
    assert not Run.objects.get(pk=own.pk).woken_at
    sweep()
    assert woken == [lost.pk]  # it was told a moment ago


@pytest.mark.django_db
def test_the_sweeper_ends_what_was_canceled_under_somebody_who_died(simulator: Running) -> None:
    run = start(3)
    leases.lease(run, "elsewhere:1:x", 2)
    runs.cancel(run)
    assert not Run.objects.get(pk=run.pk).finished_at
    Work.objects.filter(run=run, state="leased").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    sweep()
    assert Run.objects.get(pk=run.pk).finished_at
    assert Work.objects.filter(run=run, state="canceled").count() == 3


@pytest.mark.django_db
def test_a_broker_that_is_away_loses_nothing(
    simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object, **_more: object) -> None:
        raise OperationalError("connection refused")

    run = start(1)
    monkeypatch.setattr(go_on, "apply_async", away)
    assert not wake(run)
    assert Run.objects.get(pk=run.pk).woken_at
