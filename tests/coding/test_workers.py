"""Real workers on real brokers, where those answer on their standard ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from kombu import Connection, Queue

from tests.coding.places import MANAGE, ROOT, Place
from tests.simulator.server import Running

BROKERS = {
    "redis": ("redis://127.0.0.1:6379/0", 6379, "redis"),
    "rabbitmq": ("amqp://guest:guest@127.0.0.1:5672//", 5672, "amqp"),
}


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def celery(place: Place, *words: str) -> "AbstractContextManager[subprocess.Popen[bytes]]":
    """Run Celery with `words`."""
    return process(place, sys.executable, "-m", "celery", "-A", "config", *words)


@contextmanager
def process(place: Place, *command: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run `command` in a process group of its own, gone at the end."""
    with (place.folder / f"{Path(command[0]).name}.log").open("ab") as log:
        begun = subprocess.Popen(  # noqa: S603  this Python, with words of ours
            command,
            env=place.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield begun
    finally:
        with suppress(ProcessLookupError):
            os.killpg(begun.pid, signal.SIGKILL)
        begun.wait(30)


def wait_until(place: Place, query: str, least: int) -> None:
    end = time.monotonic() + 240  # a busy machine is slow, a lost message is for ever
    while place.ask(query)[0][0] < least:
        logs = "".join(path.read_text() for path in place.folder.glob("*.log"))
        assert time.monotonic() < end, logs
        time.sleep(0.05)


@pytest.mark.parametrize("broker", sorted(BROKERS))
def test_a_lost_message_and_a_killed_worker_lose_nothing(
    broker: str, simulator: Running, tmp_path: Path
) -> None:
    address, port, package = BROKERS[broker]
    if not answers(port):
        pytest.skip(f"{broker} does not answer on port {port}")
    if find_spec(package) is None:
        pytest.skip(f"the Python package {package} is not installed")
    count, queue = 200, f"concord-test-{uuid.uuid4().hex}"
    simulator.service.configure(latency=0.5)
    place = Place(tmp_path, simulator, count)
    place.environment |= {
        "CONCORD_BROKER": address,
        "CONCORD_QUEUE": queue,
        "CONCORD_SWEEP": "1",
        "CONCORD_DATA": str(tmp_path),
    }
    command = [*MANAGE, "code", "hopes", "--coder", "claude", "--yes", "--queue", "--json"]
    with Connection(address) as connection, ExitStack() as stack:
        channel: Any = connection.channel()
        bound = Queue(queue, routing_key=queue, channel=channel)
        said = subprocess.run(  # noqa: S603  this Python, with words of ours
            command, env=place.environment, cwd=ROOT, check=True, capture_output=True, timeout=240
        )
        assert json.loads(said.stdout)["segments"]["pending"] == count
        assert bound.purge() == 1  # the broker forgets what it was told
        worker = ("worker", "-P", "threads", "-c", "2", "-l", "warning", "--without-gossip")
        stack.enter_context(celery(place, "beat", "-l", "warning"))
        done = "select count(*) from coding_work where state = 'done'"
        with celery(place, *worker) as first:
            wait_until(place, done, 40)
            os.killpg(first.pid, signal.SIGKILL)
            first.wait(30)
        assert place.ask(done)[0][0] < count
        stack.enter_context(celery(place, *worker))
        wait_until(place, "select count(*) from coding_run where finished_at is not null", 1)
        stack.close()
        bound.delete()
        if broker == "redis":  # which keeps the names of queues that are gone
            channel.client.delete(*channel.client.keys(f"*{queue}*"))

    nothing_is_lost(place, simulator, count)


def nothing_is_lost(place: Place, simulator: Running, count: int) -> None:
    assert place.ask("select state, count(*) from coding_work group by state") == [("done", count)]
    assert place.ask("select count(*), count(distinct segment_id) from coding_coding") == [
        (count, count)
    ]
    settled = place.ask("select request_id from coding_attempt where outcome = 'ok'")
    assert len(settled) == len(set(settled)) == count
    paid = {entry["request_id"]: Decimal(entry["cost"]) for entry in simulator.ledger["entries"]}
    booked = place.ask("select sum(cost) from coding_attempt where outcome = 'ok'")[0][0]
    assert booked == pytest.approx(float(sum(paid[row[0]] for row in settled)))
    lost = place.ask("select count(*) from coding_attempt where outcome = 'sent'")[0][0]
    assert simulator.ledger["requests"] <= count + lost
    assert lost <= 2 * 64  # threads and what waits for them, of each loop that was at it


def test_a_broker_that_is_away_and_comes_back_empty_loses_nothing(
    simulator: Running, tmp_path: Path
) -> None:
    server = which("redis-server")
    if server is None or find_spec("redis") is None:
        pytest.skip("redis-server or the Python package redis is not installed")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    count = 400
    simulator.service.configure(latency=0.5)
    place = Place(tmp_path, simulator, count)
    place.environment |= {
        "CONCORD_BROKER": f"redis://127.0.0.1:{port}/0",
        "CONCORD_SWEEP": "1",
        "CONCORD_DATA": str(tmp_path),
    }
    broker = (server, "--port", str(port), "--bind", "127.0.0.1", "--save", "")
    worker = ("worker", "-P", "threads", "-c", "2", "-l", "warning", "--without-gossip")
    done = "select count(*) from coding_work where state = 'done'"
    # Nobody answers: the run waits for the day when somebody does.
    command = [*MANAGE, "code", "hopes", "--coder", "claude", "--yes", "--queue", "--json"]
    said = subprocess.run(  # noqa: S603  this Python, with words of ours
        command, env=place.environment, cwd=ROOT, check=True, capture_output=True, timeout=240
    )
    assert json.loads(said.stdout)["segments"]["pending"] == count
    with celery(place, "beat", "-l", "warning"):
        with celery(place, *worker):
            with process(place, *broker):
                wait_until(place, done, 20)
            # Who is at work goes on, and is killed while nobody could tell another.
            wait_until(place, done, place.ask(done)[0][0] + 20)
        assert place.ask(done)[0][0] < count
        with process(place, *broker), celery(place, *worker):
            wait_until(place, "select count(*) from coding_run where finished_at is not null", 1)
    nothing_is_lost(place, simulator, count)


def test_a_worker_that_is_told_to_leave_does_so_within_seconds_and_gives_its_work_back(
    simulator: Running, tmp_path: Path
) -> None:
    broker = next((b for b in sorted(BROKERS) if answers(BROKERS[b][1])), "")
    if not broker:
        pytest.skip("neither Redis nor RabbitMQ answers on its standard port")
    count, queue = 500, f"concord-test-{uuid.uuid4().hex}"
    simulator.service.configure(latency=3.0)
    place = Place(tmp_path, simulator, count)
    place.environment |= {
        "CONCORD_BROKER": BROKERS[broker][0],
        "CONCORD_QUEUE": queue,
        "CONCORD_DATA": str(tmp_path),
    }
    command = [*MANAGE, "code", "hopes", "--coder", "claude", "--yes", "--queue", "--json"]
    with Connection(BROKERS[broker][0]) as connection:
        channel: Any = connection.channel()
        bound = Queue(queue, routing_key=queue, channel=channel)
        subprocess.run(  # noqa: S603  this Python, with words of ours
            command, env=place.environment, cwd=ROOT, check=True, capture_output=True, timeout=240
        )
        worker = ("worker", "-P", "prefork", "-c", "1", "-l", "warning", "--without-gossip")
        with celery(place, *worker) as begun:
            wait_until(place, "select count(*) from coding_work where state = 'done'", 10)
            begun.terminate()
            told = time.monotonic()
            begun.wait(120)
        assert time.monotonic() - told < 100  # a shift would go on for five minutes
        states = dict(place.ask("select state, count(*) from coding_work group by state"))
        assert states.keys() == {"done", "pending"}
        assert place.ask("select count(*) from coding_attempt where outcome = 'sent'") == [(0,)]
        assert bound.purge() == 1  # another worker is told to go on
        bound.delete()
        if broker == "redis":
            channel.client.delete(*channel.client.keys(f"*{queue}*"))
