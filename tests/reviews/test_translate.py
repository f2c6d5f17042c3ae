"""`manage.py translate`, as a person types it; killed, stopped, and begun again."""

import json
import random
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from studies.models import Study, Translation
from tests.coding.places import Place
from tests.factories import make_revision, make_run, make_sample, make_segment, make_study
from tests.simulator.server import Running


@pytest.fixture
def study(db: None) -> Study:
    study = make_study("rain")
    for number in range(4):
        make_segment(f"Espero la lluvia número {number} .", study, language="es")
    make_segment("Natumaini.", study, language="sw")
    make_segment("I hope.", study, language="en")
    return study


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    call_command("translate", *arguments, "--json")
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def test_it_says_what_it_will_cost_does_it_and_says_what_it_did(
    study: Study, simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = run(capsys, "rain", "--into", "English", "--estimate")["estimate"]
    assert (planned["into"], planned["interviews"]) == ("en", 5)
    assert simulator.ledger["requests"] == 0
    call_command("translate", "rain", "--into", "en", "--estimate")
    shown = " ".join(capsys.readouterr().out.split())
    assert "Translating 5 interviews into en with claude-haiku-5-5 would cost about" in shown
    simulator.faults({"holds": "número 2 ", "fault": "missing"})
    said = run(capsys, "rain", "--into", "en", "--yes", "--threads", "2")
    assert said["interviews"] == {"left": 0, "given_up": 1, "all": 5}
    assert said["translated"] == [{"maker": "claude-haiku-5-5", "machine": True, "interviews": 4}]
    assert Decimal(str(said["usd"])) == Decimal(simulator.ledger["total"])
    assert said["estimate"]["usd"] == planned["usd"]
    call_command("translate", "rain", "--into", "en")
    told = capsys.readouterr()
    assert "Nothing is left to translate into en." in " ".join(told.err.split())
    words = " ".join(told.out.split())
    assert "4 interviews by claude-haiku-5-5 (machine)" in words
    assert "The translation does not fit the turns.: es 1" in words
    assert "asked about again with --again-failed" in words
    simulator.faults()
    assert run(capsys, "rain", "--into", "en", "--again-failed")["interviews"]["given_up"] == 0
    assert Translation.objects.count() == 5


def test_of_the_sample_only(
    study: Study, simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="has no sample yet"):
        call_command("translate", "rain", "--into", "en", "--sample")
    segments = [one.segments.get() for one in study.transcripts.order_by("pk")]
    machine = make_run(make_revision(study))
    drawn = make_sample(machine, segments[:1])
    make_sample(machine, [segments[1], segments[5]], continues=drawn)
    planned = run(capsys, "rain", "--into", "en", "--sample", "--estimate")["estimate"]
    assert planned["interviews"] == 2
    said = run(capsys, "rain", "--into", "en", "--sample", "--languages", "es")
    assert said["interviews"] == {"left": 0, "given_up": 0, "all": 2}
    done = Translation.objects.values_list("transcript", flat=True)
    assert set(done) == {segments[0].transcript_id, segments[1].transcript_id}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "--into", "en"], "nothing"),
        (["rain", "--into", "Klingonese"], "no known language"),
        (["rain", "--into", "en", "--languages", "Klingonese"], "no known language"),
        (["rain", "--into", "en", "--budget", "much"], "is no budget"),
        (["rain", "--into", "en", "--threads", "33"], "from 1 to 32"),
        (["rain", "--into", "en", "--model", "gpt"], "no price for the model"),
        (["rain", "--into", "en", "--service", "x"], "no service called"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_one_sentence(
    study: Study, simulator: Running, arguments: list[str], said: str
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("translate", *arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert simulator.ledger["requests"] == 0


def test_when_only_a_person_can_help_it_fails_with_the_reason(
    study: Study, simulator: Running
) -> None:
    simulator.faults({"every": 1, "fault": "402"})
    with pytest.raises(CommandError, match="The translating stopped: The account has reached"):
        call_command("translate", "rain", "--into", "en", "--yes")


def test_at_the_end_of_the_budget_it_says_so(
    study: Study, simulator: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("translate", "rain", "--into", "en", "--yes", "--budget", "0.0000001")
    assert "The budget is spent: give a higher one" in " ".join(capsys.readouterr().out.split())
    assert simulator.ledger["requests"] == 0


# ---- killed and begun again -----------------------------------------------------------------


def begin(place: Place) -> "subprocess.Popen[str]":
    return place.command("translate", "hopes", "--into", "es", "--threads", "4", "--yes")


def wait_for(simulator: Running, requests: int, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 60
    while simulator.service.books.requests < requests and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)


def to_its_end(place: Place) -> Any:
    process = begin(place)
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return json.loads(out)


def test_killed_in_the_middle_and_begun_again_nothing_is_lost_or_paid_for_twice(
    simulator: Running, tmp_path: Path
) -> None:
    count, kills = 60, 2
    simulator.service.configure(latency=0.03)
    simulator.faults({"every": 13, "fault": "529", "headers": {"retry-after-ms": "50"}})
    place = Place(tmp_path, simulator, count)
    chance = random.Random(7)  # noqa: S311  when to kill is no secret
    for _kill in range(kills):
        process = begin(place)
        wait_for(simulator, simulator.service.books.requests + chance.randint(5, 20), process)
        time.sleep(chance.random() / 20)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    said = to_its_end(place)

    assert said["interviews"] == {"left": 0, "given_up": 0, "all": count}
    assert place.ask("select count(*), count(distinct transcript_id) from studies_translation") == [
        (count, count)
    ]
    ledger = simulator.ledger
    # What was on its way at a kill was asked again, and nothing else: 4 threads and 4 waiting.
    assert count <= ledger["billed"] <= count + kills * 8
    answered = "select count(*) from coding_translationattempt where outcome = 'ok'"
    assert place.ask(answered) == [(count,)]
    left_open = "select count(*) from coding_translationattempt where outcome = 'sent'"
    assert said["maybe_billed"]["requests"] == place.ask(left_open)[0][0] <= kills * 8
    charged, booked = Decimal(ledger["total"]), Decimal(str(said["usd"]))
    assert booked <= charged <= booked + Decimal(str(said["maybe_billed"]["at_most"]))

    before = ledger["requests"]
    assert to_its_end(place)["interviews"]["left"] == 0
    assert simulator.ledger["requests"] == before


def test_stopped_politely_it_knows_every_cent(simulator: Running, tmp_path: Path) -> None:
    simulator.service.configure(latency=0.03)
    place = Place(tmp_path, simulator, 150)
    process = begin(place)
    wait_for(simulator, 15, process)
    process.send_signal(signal.SIGINT)
    _out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on where it was" in errors
    left_open = "select count(*) from coding_translationattempt where outcome = 'sent'"
    assert place.ask(left_open) == [(0,)]
    known = "select sum(cost) from coding_translationattempt where input_tokens is not null"
    assert place.ask(known)[0][0] == pytest.approx(float(simulator.ledger["total"]))
    assert place.ask("select owner from coding_translationrun") == [("",)]
    done = place.ask("select count(*) from studies_translation")[0][0]
    assert done + 8 >= 15
    assert to_its_end(place)["interviews"]["left"] == 0
    assert simulator.ledger["requests"] == 150
