import json
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from coding import tasks
from coding.coders.claude import ClaudeCoder
from coding.leases import passage_of
from coding.models import Coding, Run, Work
from coding.prices import price
from coding.replicates import drawn, start_replicates
from coding.runs import CANCELED, PAUSED, coder_for, progress, start_run
from coding.tasks import tell
from reviews.exports import Tidy
from reviews.reports import report
from reviews.sampling import latest_run
from studies.models import Study
from studies.problems import Problem
from tests.factories import make_revision, make_run, make_segment, make_study
from tests.simulator.server import Running

pytestmark = pytest.mark.django_db


def make(count: int, slug: str = "hopes") -> Study:
    study = make_study(slug)
    make_revision(study)
    for number in range(count):
        make_segment(f"I hope for number {number}.", study, external_id=f"t{number}")
    return study


def code(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    call_command("code", "hopes", "--coder", "claude", "--yes", "--threads", "2", *more, "--json")
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def segments(run: Run) -> list[int]:
    return sorted(run.work.values_list("segment_id", flat=True))


def test_replicates_have_the_same_random_share_and_their_runs_model_prompt_and_parameters() -> None:
    study = make(50)
    run = start_run(study)
    first, second = start_replicates(run, 3, share=0.2, seed=4)
    assert segments(first) == segments(second) == drawn(study, 0.2, 4)
    assert len(segments(first)) == 10
    assert [first.replicate, second.replicate] == [1, 2]
    for replicate in (first, second):
        assert replicate.replicate_of == run
        assert (replicate.model, replicate.prompt_digest) == (run.model, run.prompt_digest)
        assert replicate.revision == run.revision
        assert replicate.parameters == {**run.parameters, "share": 0.2, "seed": 4}
    assert Work.objects.filter(run=run).count() == 50


def test_another_seed_draws_others_and_a_larger_share_holds_the_smaller_one() -> None:
    study = make(60)
    assert drawn(study, 0.3, 1) == drawn(study, 0.3, 1) != drawn(study, 0.3, 2)
    assert set(drawn(study, 0.3, 1)) < set(drawn(study, 0.5, 1))
    assert len(drawn(study, 0.001, 1)) == 1
    assert drawn(study, 1, 1) == sorted(drawn(study, 0.5, 2, set(drawn(study, 1, 1))))


def test_every_segment_is_as_likely_to_be_drawn_as_another() -> None:
    study = make(10)
    often = dict.fromkeys(drawn(study, 1, 0), 0)
    for seed in range(400):
        for segment in drawn(study, 0.3, seed):
            often[segment] += 1
    # 120 expected of each; four standard deviations of a binomial either way.
    assert all(abs(count - 120) < 4 * (400 * 0.3 * 0.7) ** 0.5 for count in often.values())


def test_asking_again_goes_on_with_what_is_there_and_can_only_add() -> None:
    study = make(40)
    run = start_run(study)
    [first] = start_replicates(run, 2, share=0.25, seed=3)
    before = segments(first)
    assert start_replicates(run, 2) == [first]
    assert segments(first) == before
    again, other = start_replicates(run, 3, share=0.5)
    assert again == first
    assert set(before) < set(segments(first))
    assert segments(first) == segments(other)
    make_segment("One more.", study, external_id="later")
    start_run(study)
    assert len(segments(start_replicates(run, 3, share=1)[0])) == 41
    with pytest.raises(Problem, match="a share of 1: it can only grow"):
        start_replicates(run, 3, share=0.2)
    with pytest.raises(Problem, match="drawn with seed 3"):
        start_replicates(run, 3, seed=9)


@pytest.mark.parametrize(
    ("times", "options", "said"),
    [
        (1, {}, "2 to 20 times in all, not 1"),
        (2, {"share": 0.0}, "above 0 and up to 1"),
        (2, {"share": 1.5}, "above 0 and up to 1"),
        (2, {"seed": -1}, "whole number from 0"),
    ],
)
def test_what_cannot_be_repeated_so_says_why(
    times: int, options: dict[str, Any], said: str
) -> None:
    run = start_run(make(2))
    with pytest.raises(Problem, match=said):
        start_replicates(run, times, **options)
    assert not run.replicates.exists()


def test_a_run_made_elsewhere_and_a_replicate_are_not_repeated() -> None:
    run = start_run(make(2))
    [replicate] = start_replicates(run, 2, share=1)
    theirs = make_run(run.revision, coder="imported")
    for other in (replicate, theirs):
        with pytest.raises(Problem, match="can’t be repeated"):
            start_replicates(other, 2)


def test_the_command_codes_the_run_and_then_its_replicates(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make(20)
    simulator.words({"topics/hope": ["hope"]})
    said = code(capsys, "--replicates", "3", "--share", "0.3", "--seed", "1")
    assert said["segments"]["done"] == 20
    assert [one["segments"]["done"] for one in said["replicates"]] == [6, 6]
    assert said["estimate"]["segments"] == 32
    assert simulator.ledger["requests"] == 32
    run = Run.objects.get(replicate=0)
    for replicate in run.replicates.all():
        chosen = Coding.objects.filter(run=replicate).values_list("segment_id", flat=True)
        assert sorted(chosen) == drawn(study, 0.3, 1)
    # Asked again, it does nothing that is done; with a fourth time, that alone.
    assert code(capsys, "--replicates", "3")["run"] == said["run"]
    assert simulator.ledger["requests"] == 32
    planned = code(capsys, "--replicates", "4", "--estimate")
    assert planned["estimate"]["segments"] == 6
    assert simulator.ledger["requests"] == 32
    code(capsys, "--replicates", "4")
    assert simulator.ledger["requests"] == 38
    call_command("code", "hopes", "--coder", "claude", "--replicates", "4")
    assert "6 of 6 segments coded again" in capsys.readouterr().out


def test_an_estimate_before_the_start_counts_what_would_be_coded_again(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    make(20)
    plain = code(capsys, "--estimate")["estimate"]
    more = code(capsys, "--estimate", "--replicates", "3", "--share", "0.5")["estimate"]
    assert (plain["segments"], more["segments"]) == (20, 40)
    assert more["usd"] > plain["usd"]
    assert not Run.objects.exists()


def test_one_budget_holds_for_the_run_and_its_replicates_together(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    make(12)
    whole = code(capsys)["cost"]
    # What one request can cost at most is set aside before it is sent, and little of it is used.
    run = Run.objects.get(replicate=0)
    with closing(coder_for(run)) as coder:
        assert isinstance(coder, ClaudeCoder)
        passage = passage_of(run.work.all()[0].segment, {})
        most = price(run.model).most(coder.size(passage), coder.most_room())
    limit = Decimal(whole) + most * Decimal("1.1")
    said = code(capsys, "--replicates", "3", "--share", "1", "--budget", f"{limit:.6f}")
    assert "budget is spent" in said["stopped"]
    run.refresh_from_db()
    assert run.budget is not None
    assert run.committed <= run.budget
    assert Decimal(simulator.ledger["total"]) <= run.budget
    coded = [one["segments"]["done"] for one in said["replicates"]]
    assert 0 < sum(coded) < 24
    assert {one["budget"] for one in said["replicates"]} == {float(run.budget)}
    # With more money the same command goes on to the end.
    said = code(capsys, "--replicates", "3", "--budget", f"{limit * 8:.6f}")
    assert [one["segments"]["done"] for one in said["replicates"]] == [12, 12]
    assert simulator.ledger["requests"] == 36
    run.refresh_from_db()
    assert run.committed == pytest.approx(Decimal(simulator.ledger["total"]))


def test_replicates_go_in_batches_too(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    make(6)
    said = code(capsys, "--batch", "--replicates", "2", "--share", "0.5")
    assert said["segments"]["done"] == 6
    assert [one["segments"]["done"] for one in said["replicates"]] == [3]
    assert said["estimate"]["batch"]


def test_workers_are_woken_for_the_run_and_each_replicate(
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    simulator: Running,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.CELERY_BROKER_URL = "memory://"
    woken: list[Run] = []
    monkeypatch.setattr("coding.management.commands.code.wake", woken.append)
    make(4)
    code(capsys, "--queue", "--replicates", "3", "--share", "0.5")
    assert [run.replicate for run in woken] == [0, 1, 2]


def test_the_embedded_coder_repeats_what_it_said(capsys: pytest.CaptureFixture[str]) -> None:
    make(35)
    call_command("code", "hopes", "--replicates", "2", "--share", "0.4", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["replicates"][0]["segments"]["done"] == 14
    run, replicate = Run.objects.order_by("replicate")
    assert "background" in run.parameters
    assert "background" not in replicate.parameters
    for coding in replicate.codings.all():
        twin = run.codings.get(segment=coding.segment)
        values = [sorted(one.marks.values_list("code", "value")) for one in (coding, twin)]
        assert values[0] == values[1]


def test_a_share_without_replicates_is_a_mistake() -> None:
    make(2)
    with pytest.raises(CommandError, match="add --replicates K"):
        call_command("code", "hopes", "--share", "0.5")


def test_a_replicate_is_never_the_latest_run_nor_a_coder_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = make(30)
    call_command("code", "hopes", "--replicates", "3", "--share", "0.5", "--json")
    capsys.readouterr()
    run = Run.objects.get(replicate=0)
    replicate = run.replicates.get(replicate=2)
    assert start_run(study) == run
    assert latest_run(study) == run
    made = report(study)
    assert made.run is not None
    assert made.run.id == run.pk
    assert list(Tidy(study).runs) == [run.pk]
    with pytest.raises(Problem, match="has no run"):
        report(study, run=replicate.pk)
    Run.objects.update(finished_at=None)
    call_command("run", "hopes", "pause", "--json")
    assert json.loads(capsys.readouterr().out)["run"] == run.pk


def test_who_pauses_resumes_or_cancels_a_run_means_its_replicates_too(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CELERY_BROKER_URL = "memory://"
    woken: list[int] = []
    monkeypatch.setattr(tasks, "wake", lambda run: woken.append(run.pk))
    run = start_run(make(4))
    family = [run, *start_replicates(run, 3, share=1)]
    Run.objects.update(woken_at=timezone.now())

    def stopped() -> set[str]:
        return {progress(one)["stopped"] for one in family}

    tell(run, "pause")
    assert stopped() == {PAUSED}
    tell(run, "resume")
    assert stopped() == {""}
    assert sorted(woken) == [one.pk for one in family]
    tell(run, "cancel")
    assert stopped() == {CANCELED}
    assert {progress(one)["segments"]["canceled"] for one in family} == {4}
    tell(run, "resume")
    assert {progress(one)["segments"]["pending"] for one in family} == {4}
    # A replicate alone can be stopped as well, and what has ended stays as it is.
    Work.objects.filter(run=run).update(state="done")
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now())
    tell(family[1], "cancel")
    assert progress(family[2])["stopped"] == ""
    tell(run, "pause")
    assert progress(family[2])["stopped"] == PAUSED
    assert progress(run)["finished"]


def test_a_model_that_changes_its_mind_is_found_out(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    make(40)
    simulator.words({"topics/hope": ["hope for number 1", "hope for number 2"]})
    code(capsys)
    simulator.words({"topics/hope": ["hope for number 1"]})
    code(capsys, "--replicates", "2", "--share", "1")
    call_command("compare", "hopes", "--replicates", "--draws", "100", "--json")
    said = json.loads(capsys.readouterr().out)
    [hope] = [row for row in said["rows"] if row["code"] == "hope"]
    assert (hope["units"], hope["changed"], hope["coders"]) == (40, 11, 2)
    assert hope["percent"] == pytest.approx(29 / 40)
    assert hope["status"] == "ok"
    [worry] = [row for row in said["rows"] if row["code"] == "worry"]
    assert worry["status"] == "no_variation"
    run, replicate = Run.objects.order_by("replicate")
    call_command("compare", "hopes", str(run.pk), str(replicate.pk), "--json")
    said = json.loads(capsys.readouterr().out)
    [hope] = [row for row in said["changes"] if row["code"] == "hope" and not row["language"]]
    assert (hope["only_first"], hope["only_second"]) == (11, 0)
