import gc
import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.answers import Truth, fill, truth, turns
from tests.simulator.server import Running

ROOT = Path(__file__).resolve().parent.parent.parent
HEADERS = {
    "authorization": "Bearer test-key",
    "anthropic-version": "2026-10-21",
    "content-type": "application/json",
}
ASK = {
    "model": "claude-haiku-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "[T1 participant] Hello there."}],
}


@pytest.fixture
def simulator() -> Iterator[Running]:
    with Running() as running:
        yield running


def send(
    url: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, HEADERS if headers is None else headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"temperature": 0}, 400, "temperature: Extra inputs are not permitted"),
        ({"top_p": 1}, 400, "top_p: Extra inputs"),
        ({"model": "gpt"}, 404, "model: gpt"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "{"}]}, 400, "prefill"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            400,
            "additionalProperties must be false",
        ),
        (
            {
                "output_config": {
                    "format": {
                        "type": "json_schema",
                        "schema": {
                            "type": "object",
                            "properties": {"a": {"type": "number", "minimum": 0}},
                            "required": ["a"],
                            "additionalProperties": False,
                        },
                    }
                }
            },
            400,
            "schema.a.minimum: not supported",
        ),
    ],
    ids=str,
)
def test_it_turns_away_what_the_service_turns_away(
    simulator: Running, changes: dict[str, Any], status: int, said: str
) -> None:
    code, answer = send(f"{simulator.url}/v1/messages", {**ASK, **changes})
    assert code == status
    assert said in answer["error"]["message"]
    assert simulator.ledger["billed"] == 0


def test_it_asks_for_a_key_and_a_version(simulator: Running) -> None:
    bare = {"content-type": "application/json"}
    assert send(f"{simulator.url}/v1/messages", ASK, bare)[0] == 401
    keyed = {**bare, "x-api-key": "test-key"}
    assert send(f"{simulator.url}/v1/messages", ASK, keyed)[0] == 400


def test_it_charges_for_what_it_answers_and_counts_for_nothing(simulator: Running) -> None:
    assert send(f"{simulator.url}/v1/messages/count_tokens", ASK)[1]["input_tokens"] > 0
    assert send(f"{simulator.url}/v1/models/claude-haiku-5-5")[1]["id"] == "claude-haiku-5-5"
    assert simulator.ledger["billed"] == 0
    code, answer = send(f"{simulator.url}/v1/messages", ASK)
    assert code == 200
    assert answer["stop_reason"] == "end_turn"
    ledger = send(f"{simulator.url}/_sim/ledger")[1]
    assert ledger["billed"] == 1
    assert ledger["delivered"] == ledger["total"] != "0"


def test_a_lost_answer_is_charged_and_not_delivered(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "reset_after"})
    with suppress(OSError):
        send(f"{simulator.url}/v1/messages", ASK)
    assert simulator.ledger["billed"] == 1
    assert simulator.ledger["delivered"] == "0"


def ask_in_a_batch(simulator: Running, count: int) -> str:
    """Return the address of what became of so many requests in a batch."""
    simulator.service.configure(batch_polls=0)
    requests = [{"custom_id": f"key-{number}", "params": ASK} for number in range(count)]
    batches = f"{simulator.url}/v1/messages/batches"
    name = send(batches, {"requests": requests})[1]["id"]
    assert send(f"{batches}/{name}")[1]["processing_status"] == "ended"
    return f"{batches}/{name}/results"


def lines_of(address: str) -> list[bytes]:
    """Return the lines that arrive from there, be they cut or not."""
    got = b""
    request = urllib.request.Request(address, headers=HEADERS)  # noqa: S310
    cut = suppress(OSError, http.client.IncompleteRead)
    with urllib.request.urlopen(request, timeout=10) as answer, cut:  # noqa: S310
        while more := answer.read1():
            got += more
    return got.split(b"\n")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_of_results_that_are_cut_the_whole_lines_are_delivered(
    simulator: Running, count: int
) -> None:
    simulator.batch_faults({"on": "results", "nth": 1, "fault": "cut_mid"})
    address = ask_in_a_batch(simulator, count)
    *whole, rest = lines_of(address)
    assert len(whole) == count // 2
    assert rest
    told = [json.loads(line)["result"]["message"]["id"] for line in whole]
    entries = simulator.ledger["entries"]
    assert sorted(told) == sorted(e["request_id"] for e in entries if e["delivered"])
    assert len(lines_of(address)) == count + 1
    assert simulator.ledger["delivered"] == simulator.ledger["total"]


def test_half_an_answer_is_not_delivered(simulator: Running) -> None:
    simulator.faults({"nth": 1, "fault": "reset_mid"})
    with suppress(OSError, http.client.IncompleteRead):
        send(f"{simulator.url}/v1/messages", ASK)
    assert simulator.ledger["billed"] == 1
    assert simulator.ledger["delivered"] == "0"


def test_who_comes_while_it_closes_is_not_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    left_open: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda left: left_open.append(str(left.exc_value)))
    with ExitStack() as callers:
        with Running() as running:
            running.loop.call_soon_threadsafe(time.sleep, 0.2)  # it hears of all of them at once
            for _ in range(20):
                address = ("127.0.0.1", running.port)
                callers.enter_context(socket.create_connection(address, timeout=10))
        gc.collect()
    assert left_open == []


def test_it_starts_by_hand_and_stops_by_itself() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulator", "--port", "0", "--max-seconds", "1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert send(f"{url}/_sim/ledger")[1]["requests"] == 0
        assert process.wait(timeout=20) == 0


def test_any_flat_form_is_filled() -> None:
    form = {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": ["a", "b"]},
            "sure": {"type": "boolean"},
            "count": {"type": "integer"},
            "why": {"type": "string"},
            "list": {"type": "array", "items": {"type": "string"}},
        },
    }
    assert fill(form, [], Truth({}, {})) == {
        "label": "a",
        "sure": False,
        "count": 0,
        "why": "planted",
        "list": [],
    }


def test_truth_is_planted_by_marker_or_word_in_the_participants_turns_only() -> None:
    said = turns(
        "[T1 interviewer] Fear?\n[T2 participant] Fear. [[sim: d=x|y; s=4]]\n</interview-1>"
    )
    known = truth(said, {"d/fear": ["fear"]})
    assert set(known.codes) == {"d/x", "d/y", "s/4", "d/fear"}
    assert known.values == {"s": 4.0}
    assert {turn.number for places in known.codes.values() for turn in places} == {2}
