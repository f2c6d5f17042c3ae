"""What a run will cost and what it cost, against the simulated service's own books."""

import threading
import time
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from coding import leases
from coding.batches import batch_loop
from coding.coders.claude import ClaudeCoder
from coding.costs import costs, estimate, keep
from coding.errands import Terms
from coding.leases import Pace
from coding.ledger import maybe_billed
from coding.loop import work_loop
from coding.models import Attempt, Run, Work
from coding.runs import coder_for, progress, start_run
from studies.models import Study
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.server import Running

QUICK = Pace(first_wait=0.01, longest_wait=0.02, most_attempts=6, patience=20)


@pytest.mark.django_db
def test_an_estimate_counts_tokens_by_the_service_and_costs_nothing(simulator: Running) -> None:
    study = make_study()
    make_revision(study)
    for number in range(40):
        make_segment(f"Text {number}. " * 20, study)
    made = estimate(study)
    assert made.counted_by == "count_tokens"
    assert made.segments == 40
    assert made.usd_batch == made.usd / 2
    assert made.usd > 0
    assert made.cached_tokens > 39 * 500
    assert simulator.ledger["requests"] == 0
    assert estimate(study, "claude-opus-5-5").usd > 20 * made.usd


@pytest.mark.django_db
def test_an_estimate_is_made_from_the_length_where_nobody_can_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    study = make_study()
    make_revision(study)
    make_segment("Some words.", study)
    made = estimate(study)
    assert made.counted_by == "characters"
    assert made.usd > 0


def study_of(count: int, languages: tuple[str, ...] = ("en",), **codebook: Any) -> Study:
    study = make_study()
    make_revision(study, **{"one": ["yes", "no"], "scale": (0, 10), **codebook})
    for number in range(count):
        make_segment(
            f"I hope number {number} is good. " * 5,
            study,
            language=languages[number % len(languages)],
        )
    return study


def go(run: Run, threads: int = 4) -> dict[str, Any]:
    with closing(coder_for(run)) as coder:
        return work_loop(run, coder, threads=threads, pace=QUICK)


def claude(run: Run) -> ClaudeCoder:
    coder = coder_for(run)
    assert isinstance(coder, ClaudeCoder)
    return coder


@pytest.mark.django_db
def test_a_codebook_that_does_not_fit_is_estimated_with_all_its_requests(
    simulator: Running,
) -> None:
    whole = estimate(study_of(6))
    simulator.service.configure(largest_schema=900)
    study = study_of(6)
    made = estimate(study)
    assert made.by_dimension
    assert made.counted_by == "count_tokens"
    assert (made.segments, made.requests) == (6, 18)
    assert made.usd > whole.usd
    assert made.usd_batch == made.usd / 2
    run = start_run(study, "claude")
    stands = go(run)
    assert stands["requests"] == 19  # and the one that showed that it does not fit
    assert stands["cost"] == pytest.approx(float(made.usd), rel=0.5)
    # Now the run knows it, and the service need not be tried again.
    make_segment("I hope for more.", study)
    assert estimate(study).requests == 3


@pytest.mark.django_db
def test_what_is_with_the_service_in_a_batch_is_not_estimated_again(simulator: Running) -> None:
    study = study_of(10)
    before = estimate(study)
    assert (before.segments, before.waiting) == (10, 0)
    simulator.service.configure(batch_polls=10**9)
    run = start_run(study, "claude")
    with closing(claude(run)) as coder:
        # By its first look at the clock the batch has been sent.
        batch_loop(run, coder, given=Terms(poll=0.01), pace=QUICK, until=time.monotonic() + 2)
    assert Work.objects.filter(run=run, owner__startswith=leases.WITH_SERVICE).count() == 10
    made = estimate(study)
    assert (made.segments, made.requests, made.waiting) == (0, 0, 10)
    assert made.usd == 0
    assert made.waiting_usd == sum(Attempt.objects.values_list("cost", flat=True))
    simulator.service.configure(batch_polls=0)
    with closing(claude(run)) as coder:
        stands = batch_loop(run, coder, given=Terms(poll=0.01), pace=QUICK)
    assert stands["segments"]["done"] == 10
    after = estimate(study)
    assert after.waiting == 0
    assert after.waiting_usd == 0


@pytest.mark.django_db
def test_cost_by_language_is_what_the_service_charged_for_it(simulator: Running) -> None:
    study = study_of(9, ("en", "sw", "ar"))
    run = start_run(study, "claude")
    go(run)
    took = costs(run)
    charged = Decimal(simulator.ledger["delivered"])
    assert Decimal(str(took["usd"])) == charged
    assert [row["language"] for row in took["by_language"]] == ["ar", "en", "sw"]
    assert sum(Decimal(str(row["usd"])) for row in took["by_language"]) == charged
    assert all(row["interviews"] == row["requests"] == 3 for row in took["by_language"])
    assert took["usd_per_1000"] == pytest.approx(float(charged) / 9 * 1_000)
    used = [entry["usage"] for entry in simulator.ledger["entries"]]
    read = sum(row["cache_read_input_tokens"] for row in used)
    given = sum(row["input_tokens"] + row["cache_creation_input_tokens"] for row in used) + read
    assert took["hit_rate"] == took["cache"]["hit_rate"] == pytest.approx(read / given)
    assert progress(run)["cache_hits"] == pytest.approx(read / given)
    assert took["cache"]["below_minimum"] is False
    assert took["tokens_per_1000"]["output"] == round(took["tokens"]["output"] * 1_000 / 9)


@pytest.mark.django_db
def test_lost_answers_are_listed_with_the_most_that_they_can_have_cost(simulator: Running) -> None:
    simulator.faults({"nth": [2, 5], "fault": "reset_after"})
    run = start_run(study_of(6, ("en", "sw")), "claude")
    stands = go(run)
    assert stands["segments"]["done"] == 6
    lost = costs(run)["maybe_billed"]
    assert lost["requests"] == len(lost["rows"]) == len(maybe_billed(run)) == 2
    assert lost["at_most"] == pytest.approx(sum(row["at_most"] for row in lost["rows"]))
    unbooked = Decimal(simulator.ledger["total"]) - Decimal(simulator.ledger["delivered"])
    assert 0 < unbooked <= Decimal(str(lost["at_most"]))
    assert {row["interview"] for row in lost["rows"]} <= set(
        run.study.transcripts.values_list("external_id", flat=True)
    )
    assert all("connection broke" in row["error"] for row in lost["rows"])


@pytest.mark.django_db
def test_a_request_that_somebody_still_waits_for_is_not_lost(simulator: Running) -> None:
    run = start_run(study_of(2), "claude")
    owner = leases.new_owner()
    leases.at_work.add(owner)
    pieces = leases.lease(run, owner, 1)
    leases.begin(run, owner, [(pieces[0], Decimal("0.01"))], run.model)
    assert progress(run)["maybe_billed"] == {"requests": 0, "at_most": 0}
    leases.at_work.discard(owner)  # as after a crash
    assert progress(run)["maybe_billed"] == {"requests": 1, "at_most": 0.01}
    assert [row["at_most"] for row in costs(run)["maybe_billed"]["rows"]] == [0.01]


@pytest.mark.django_db
def test_a_codebook_too_short_for_the_cache_is_said_so_before_and_after(
    simulator: Running,
) -> None:
    study = study_of(4)
    made = estimate(study, "claude-haiku-4-5")
    assert made.below_minimum
    assert made.cache_minimum == 4_096 > made.prompt_tokens > 500
    assert made.cached_tokens == 0
    assert not estimate(study, "claude-haiku-5-5").below_minimum
    run = start_run(study, "claude", model="claude-haiku-4-5")
    keep(run, made)
    go(run)
    used = [entry["usage"] for entry in simulator.ledger["entries"]]
    assert not any(row["cache_creation_input_tokens"] for row in used)
    took = costs(run)
    assert took["cache"] == {
        "hit_rate": 0,
        "prompt_tokens": made.prompt_tokens,
        "minimum": 4_096,
        "below_minimum": True,
    }
    assert took["usd"] == pytest.approx(float(made.usd), rel=0.5)
    assert took["estimate"]["usd"] == float(made.usd)
    assert took["estimate"]["booked"] == 0


@pytest.mark.django_db
def test_a_run_that_goes_on_finds_its_prompt_in_the_cache(simulator: Running) -> None:
    study = study_of(8)
    run = start_run(study, "claude")
    simulator.faults({"nth": 6, "fault": "402"})
    assert go(run)["stopped"]
    simulator.faults()
    assert go(start_run(study, "claude"))["segments"]["done"] == 8
    used = [entry["usage"] for entry in simulator.ledger["entries"]]
    # One request wrote it, whoever asked and how often they began.
    assert sum(1 for row in used if row["cache_creation_input_tokens"]) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_begin_together_write_the_prompt_once_each_at_most(
    simulator: Running,
) -> None:
    simulator.service.configure(latency=0.02)
    run = start_run(study_of(24), "claude")
    crew = [threading.Thread(target=work, args=(run.pk,)) for _ in range(3)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(120)
    assert progress(run)["segments"]["done"] == 24
    used = [entry["usage"] for entry in simulator.ledger["entries"]]
    assert len(used) == 24
    assert 1 <= sum(1 for row in used if row["cache_creation_input_tokens"]) <= 3


def work(run_id: int) -> None:
    try:
        go(Run.objects.get(pk=run_id), threads=3)
    finally:
        connection.close()


@pytest.mark.django_db
def test_the_length_of_answers_is_learned_from_those_that_came(simulator: Running) -> None:
    study = study_of(21)
    run = start_run(study, "claude")
    go(run)
    for number in range(21):
        make_segment(f"I hope for number {number} too. " * 5, study)
    again = estimate(study)
    mean = sum(row.output_tokens or 0 for row in Attempt.objects.all()) / 21
    assert again.segments == 21
    assert again.output_tokens == pytest.approx(21 * mean, rel=0.01)
    before = Decimal(simulator.ledger["total"])
    assert go(start_run(study, "claude"))["segments"]["done"] == 42
    charged = Decimal(simulator.ledger["total"]) - before
    assert float(again.usd) == pytest.approx(float(charged), rel=0.05)
