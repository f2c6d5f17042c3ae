import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.coding.places import Place
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.server import Running


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    call_command("code", *arguments, "--json")
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


@pytest.mark.django_db
def test_the_command_codes_a_study_and_says_what_it_did(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = make_study("hopes")
    make_revision(study)
    make_segment("I hope for rain.", study)
    make_segment("Natumaini.", study, language="sw")
    said = run(capsys, "hopes")
    assert said["coder"] == "embedded"
    assert said["segments"]["done"] == 1
    assert said["refused"] == {"language not covered": {"sw": 1}}
    assert said["evidence"]["missing"] == 0
    assert said["cost"] == 0
    assert run(capsys, "hopes")["run"] == said["run"]
    call_command("code", "hopes")
    shown = capsys.readouterr().out
    assert "language not covered: sw 1" in shown


@pytest.mark.django_db
def test_an_estimate_is_of_the_coder_that_would_run(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study("hopes")
    make_revision(study)
    for number in range(3):
        make_segment(f"I hope for {number}.", study)
    planned = run(capsys, "hopes", "--estimate")["estimate"]
    assert (planned["coder"], planned["segments"], planned["usd"]) == ("embedded", 3, 0)
    assert planned["usd_batch"] is None
    assert not study.runs.exists()
    call_command("code", "hopes", "--estimate")
    shown = " ".join(capsys.readouterr().out.split())
    assert "costs nothing; 3 segments are left for it to code." in shown
    assert "With --coder claude it says what Claude would cost." in shown
    run(capsys, "hopes")
    assert run(capsys, "hopes", "--estimate")["estimate"]["segments"] == 0
    again = run(capsys, "hopes", "--estimate", "--replicates", "3", "--share", "1")
    assert again["estimate"]["segments"] == 6
    call_command("code", "hopes", "--estimate")
    assert "nothing is left for it to code" in " ".join(capsys.readouterr().out.split())
    claude = run(capsys, "hopes", "--coder", "claude", "--estimate")["estimate"]
    assert (claude["coder"], claude["segments"]) == ("claude", 3)
    assert claude["usd"] > 0


@pytest.mark.django_db
def test_claude_says_its_price_first_and_what_it_cost_after(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study("hopes")
    make_revision(study)
    for number in range(5):
        make_segment(f"I hope for {number}.", study)
    planned = run(capsys, "hopes", "--coder", "claude", "--estimate")
    assert planned["estimate"]["segments"] == 5
    assert simulator.ledger["requests"] == 0
    said = run(capsys, "hopes", "--coder", "claude", "--yes", "--threads", "2", "--budget", "1.5")
    assert said["budget"] == 1.5
    assert said["segments"]["done"] == 5
    assert Decimal(str(said["cost"])) == Decimal(simulator.ledger["total"])
    assert said["estimate"]["usd"] == pytest.approx(said["cost"], rel=0.6)
    call_command("code", "hopes", "--coder", "claude")
    assert "USD" in capsys.readouterr().out
    assert simulator.ledger["requests"] == 5


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing"),
        (["hopes", "--budget", "much"], "“much” is no budget"),
        (["hopes", "--budget", "-1"], "is no budget"),
        (["hopes", "--threads", "9999"], "threads are a number"),
        (["hopes", "--coder", "claude", "--model", "gpt"], "no price for the model"),
        (["hopes", "--coder", "claude"], "no key for Claude"),
        (["hopes", "--batch"], "Only Claude codes in batches"),
        (["hopes", "--model", "claude-haiku-5-5"], "--model is about Claude"),
        (["hopes", "--estimate", "--service", "vertex"], "--service is about Claude"),
        (["hopes", "--base-url", "http://localhost:1"], "--base-url is about Claude"),
        (["hopes", "--cancel"], "give it with --batch"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_sentence(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    study = make_study("hopes")
    make_revision(study)
    make_segment("I hope.", study)
    with pytest.raises(CommandError) as caught:
        call_command("code", *arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.django_db
def test_a_run_that_has_to_stop_says_why_and_fails(simulator: Running) -> None:
    simulator.faults({"every": 1, "fault": "402"})
    study = make_study("hopes")
    make_revision(study)
    make_segment("I hope.", study)
    with pytest.raises(CommandError, match="The run stopped: The account has reached a limit"):
        call_command("code", "hopes", "--coder", "claude", "--yes")


def wait_for(simulator: Running, requests: int, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 60
    while simulator.service.books.requests < requests and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)


def begin_and_kill(place: Place, simulator: Running, requests: int, seconds: float) -> None:
    """Begin the run and kill it so many seconds after it sent so many requests."""
    process = place.begin()
    wait_for(simulator, simulator.service.books.requests + requests, process)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def to_its_end(place: Place, *arguments: str) -> Any:
    """Begin the run and return what the command said when it was done."""
    process = place.begin(*arguments)
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return json.loads(out)


def test_killed_in_the_middle_and_started_again_nothing_is_lost_or_done_twice(
    simulator: Running, tmp_path: Path
) -> None:
    count, kills = 120, 2
    simulator.service.configure(latency=0.03)
    simulator.words({"topics/hope": ["hope"]})
    place = Place(tmp_path, simulator, count)
    chance = random.Random(11)  # noqa: S311  when to kill is no secret
    for _kill in range(kills):
        begin_and_kill(place, simulator, chance.randint(5, 35), chance.random() / 20)
    said = to_its_end(place)

    assert place.ask("select state, count(*) from coding_work group by state") == [("done", count)]
    assert place.ask("select count(*), count(distinct segment_id) from coding_coding") == [
        (count, count)
    ]
    assert place.ask("select count(*), count(distinct coding_id) from coding_mark") == [
        (count, count)
    ]
    ledger = simulator.ledger
    # What was on its way at a kill was asked again, and nothing else: 4 threads and 4 waiting.
    assert count <= ledger["requests"] <= count + kills * 8
    assert place.ask("select count(*) from coding_attempt")[0][0] >= ledger["requests"]
    open_rows = place.ask("select count(*) from coding_attempt where outcome = 'sent'")[0][0]
    assert said["maybe_billed"]["requests"] == open_rows <= kills * 8
    charged = Decimal(ledger["total"])
    booked = Decimal(str(said["cost"]))
    assert booked <= charged <= booked + Decimal(str(said["maybe_billed"]["at_most"]))
    settled = place.ask("select request_id from coding_attempt where outcome = 'ok'")
    paid = {entry["request_id"]: Decimal(entry["cost"]) for entry in ledger["entries"]}
    assert len(settled) == len(set(settled)) == count
    assert abs(booked - sum((paid[row[0]] for row in settled), Decimal(0))) < Decimal("1e-9")

    before = ledger["requests"]
    again = place.begin()
    out, _errors = again.communicate(timeout=60)
    assert again.returncode == 0
    assert simulator.ledger["requests"] == before
    assert json.loads(out)["segments"]["done"] == count


def test_killed_again_and_again_while_the_service_fails_nothing_is_lost_or_booked_twice(
    simulator: Running, tmp_path: Path
) -> None:
    count, kills = 90, 2
    soon = {"retry-after-ms": "50"}
    simulator.service.configure(latency=0.03)
    simulator.words({"topics/hope": ["hope"]})
    # Three requests in ten go wrong: ten in a row, which is given up, do not come by chance.
    simulator.faults(
        {"every": 11, "fault": "429", "headers": soon},
        {"every": 13, "fault": "529", "headers": soon},
        {"every": 17, "fault": "reset_after"},
        {"every": 19, "fault": "reset_before"},
        {"every": 23, "fault": "truncated"},
        {"every": 29, "fault": "html"},
        {"holds": "number 3 ", "times": 1, "fault": "not_json"},
        {"holds": "number 4 ", "fault": "refusal"},
        {"holds": "number 5 ", "fault": "max_tokens"},
    )
    place = Place(tmp_path, simulator, count)
    chance = random.Random(29)  # noqa: S311  when to kill is no secret
    for _kill in range(kills):
        begin_and_kill(place, simulator, chance.randint(3, 30), chance.random() / 20)
    said = to_its_end(place)

    states = dict(place.ask("select state, count(*) from coding_work group by state"))
    assert states == {"done": count - 2, "refused": 1, "failed": 1}
    assert place.ask("select count(*), count(distinct segment_id) from coding_coding") == [
        (count - 2, count - 2)
    ]
    ledger = simulator.ledger
    known = place.ask("select request_id, cost from coding_attempt where input_tokens is not null")
    paid = {entry["request_id"]: Decimal(entry["cost"]) for entry in ledger["entries"]}
    booked = sum((paid[name] for name, _cost in known), Decimal(0))
    assert len(known) == len(dict(known))
    assert booked == pytest.approx(Decimal(str(said["cost"])), abs=Decimal("1e-9"))
    # Who was killed may have had answers that nobody wrote down, and the service lost some.
    lost = Decimal(str(said["maybe_billed"]["at_most"]))
    assert booked <= Decimal(ledger["delivered"]) <= Decimal(ledger["total"]) <= booked + lost
    gone = place.ask("select count(*) from coding_attempt where outcome = 'sent'")[0][0]
    assert gone <= kills * 8  # 4 threads and 4 waiting
    unsettled = [
        e for e in ledger["entries"] if e["delivered"] and e["request_id"] not in dict(known)
    ]
    assert len(unsettled) <= gone
    committed = place.ask("select committed from coding_run")[0][0]
    assert committed == pytest.approx(float(booked + lost))

    process = place.begin()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert simulator.ledger["requests"] == ledger["requests"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "polite kill"])
def test_stopped_politely_it_gives_its_work_back_and_knows_every_cent(
    simulator: Running, tmp_path: Path, sent: signal.Signals
) -> None:
    simulator.service.configure(latency=0.03)
    place = Place(tmp_path, simulator, 150)
    process = place.begin()
    wait_for(simulator, 20, process)
    process.send_signal(sent)
    _out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on where it was" in errors
    states = dict(place.ask("select state, count(*) from coding_work group by state"))
    assert states.keys() == {"done", "pending"}
    assert place.ask("select count(*) from coding_attempt where outcome = 'sent'") == [(0,)]
    costs = place.ask("select sum(cost) from coding_attempt where input_tokens is not null")
    assert costs[0][0] == pytest.approx(float(simulator.ledger["total"]))


@pytest.mark.django_db
def test_in_batches_it_costs_half_and_says_so_first(
    simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study("hopes")
    make_revision(study)
    for number in range(4):
        make_segment(f"I hope for {number}.", study)
    simulator.service.configure(batch_polls=0)
    call_command("code", "hopes", "--coder", "claude", "--batch", "--estimate")
    assert "in batches would cost about" in " ".join(capsys.readouterr().out.split())
    said = run(capsys, "hopes", "--coder", "claude", "--batch", "--yes")
    assert said["segments"]["done"] == 4
    assert said["batches"] == {"open": 0, "requests": 0}
    assert abs(Decimal(str(said["cost"])) - Decimal(simulator.ledger["total"])) < Decimal("1e-8")
    assert said["estimate"]["usd_batch"] == said["estimate"]["usd"] / 2
    call_command("code", "hopes", "--coder", "claude", "--batch")
    assert simulator.ledger["requests"] == 4


def wait_until(process: "subprocess.Popen[str]", done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_ctrl_c_leaves_the_batch_running_and_the_same_command_fetches_it(
    simulator: Running, tmp_path: Path
) -> None:
    place = Place(tmp_path, simulator, 20)
    simulator.service.configure(batch_polls=10**9)
    process = place.begin("--batch")
    running = "select count(*) from coding_batch where state = 'running'"
    wait_until(process, lambda: place.ask(running) == [(1,)])
    process.send_signal(signal.SIGINT)
    _out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    said = " ".join(errors.split())
    assert "20 segments are with the service and go on there" in said
    simulator.service.configure(batch_polls=0)
    process = place.begin("--batch")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(out)["segments"]["done"] == 20
    assert simulator.ledger["requests"] == 20


def test_killed_at_any_point_of_a_batch_nothing_is_lost_sent_or_booked_twice(
    simulator: Running, tmp_path: Path
) -> None:
    count = 400
    place = Place(tmp_path, simulator, count)
    simulator.service.configure(batch_polls=0)
    simulator.words({"topics/hope": ["hope"]})
    batches = simulator.service.batches
    states = "select count(*) from coding_batch where state = 'running'"
    done = "select count(*) from coding_work where state = 'done'"
    moments: list[Callable[[], bool]] = [
        # The batch is at the service, and nobody may have heard of it yet.
        lambda: batches.calls.get("create", 0) == 1,
        lambda: place.ask(states) == [(1,)] or batches.calls.get("results", 0) > 0,
        lambda: place.ask(done)[0][0] > 50,
        lambda: place.ask(done)[0][0] > 250,
    ]
    for moment in moments:
        process = place.begin("--batch")
        wait_until(process, moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    said = to_its_end(place, "--batch")
    assert said["segments"]["done"] == count
    assert place.ask("select count(*), count(distinct segment_id) from coding_coding") == [
        (count, count)
    ]
    assert place.ask("select count(*), count(distinct coding_id) from coding_mark") == [
        (count, count)
    ]
    ledger = simulator.ledger
    assert ledger["requests"] == ledger["billed"] == count
    assert said["requests"] == count
    assert said["maybe_billed"]["requests"] == 0
    settled = place.ask("select request_id from coding_attempt where outcome = 'ok'")
    assert len(settled) == len(set(settled)) == count
    assert abs(Decimal(str(said["cost"])) - Decimal(ledger["total"])) < Decimal("1e-6")

    process = place.begin("--batch")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert simulator.ledger["requests"] == count
