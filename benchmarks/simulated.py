"""What a benchmark of coding stands on: fresh databases, the simulated service, a made-up study."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FULL = 80_508
CHARACTERS = 9_000
POSTGRES = os.environ.get(
    "BENCHMARK_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/concord_coding"
)
ASKED = "What has changed since you began to use it, at work or at home? "
SAID = (
    "In week {:02} I used it every day and I would say that it saves me an hour. "
    "Still I am afraid that there will be no work left for people like me. "
    "My sister checks every answer because it once invented a price. "
)
TRUE = {"topics/worry": ["afraid"], "topics/hope": ["saves me"]}
# Most quotations stand word for word; of some the signs differ, and a few were never said.
FAULTS = [{"every": 10, "fault": "typography"}, {"every": 101, "fault": "invented"}]


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Yield the addresses of empty databases by name: SQLite, and PostgreSQL where it answers."""
    with tempfile.TemporaryDirectory() as folder, postgres() as there:
        yield {"SQLite": f"sqlite:///{folder}/bench.sqlite3", **there}


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """Yield a database of PostgreSQL's that is gone afterwards, nothing where none answers."""
    import psycopg
    from psycopg import sql

    server, _slash, name = POSTGRES.rpartition("/")
    drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    try:
        with psycopg.connect(f"{server}/postgres", connect_timeout=3, autocommit=True) as admin:
            admin.execute(drop)
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.Error:
        print("PostgreSQL does not answer: it is left out")
        yield {}
        return
    try:
        yield {"PostgreSQL": POSTGRES}
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(drop)


@contextmanager
def simulated_service(seconds: int) -> Iterator[None]:
    """Point the settings at the service while the block runs; it ends after `seconds` anyway."""
    simulator = subprocess.Popen(  # noqa: S603  this Python, with words of ours
        [sys.executable, "-m", "tests.simulator", "--port", "0", "--max-seconds", str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert simulator.stdout
        os.environ["ANTHROPIC_BASE_URL"] = simulator.stdout.readline().strip()
        os.environ["ANTHROPIC_API_KEY"] = "test-key"
        yield
    finally:
        simulator.terminate()
        simulator.wait()


def configure(**changes: Any) -> None:
    """Tell the simulated service how to behave from now on."""
    where = f"{os.environ['ANTHROPIC_BASE_URL']}/_sim/config"
    request = urllib.request.Request(  # noqa: S310  our own address
        where, json.dumps(changes).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


def measured(module: str, what: str, database: str, *words: object) -> dict[str, Any]:
    """Return what `what` of `module` says, done in a process of its own: its memory is its own."""
    done = subprocess.run(  # noqa: S603  this Python, with words of ours
        [sys.executable, "-m", module, "--once", what, *map(str, words)],
        env={
            **os.environ,
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "CONCORD_SECRET_KEY": "benchmark",
        },
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def make(interviews: int, characters: int) -> dict[str, Any]:
    """Fill an empty database with a study of `interviews`, of questions and answers in turn."""
    from django.core.management import call_command
    from django.db import transaction

    from studies.models import Participant, Segment, Transcript
    from tests.factories import make_revision, make_study

    call_command("migrate", verbosity=0)
    study = make_study("bench")
    make_revision(study, one=["yes", "no"])
    pairs = max(characters // (len(ASKED) + len(SAID)), 1)
    turns: list[list[Any]] = []
    body = ""
    for week in range(pairs):
        for words, role in ((ASKED, "interviewer"), (SAID.format(week), "participant")):
            turns.append([len(body), len(body) + len(words) - 1, "", role])
            body += words
    for first in range(0, interviews, 1_000):
        with transaction.atomic():
            people = Participant.objects.bulk_create(
                Participant(study=study, external_id=f"p{number:06}")
                for number in range(first, min(first + 1_000, interviews))
            )
            transcripts = Transcript.objects.bulk_create(
                Transcript(
                    study=study,
                    participant=person,
                    external_id=person.external_id,
                    text=body + person.external_id,
                    language="en",
                    language_source="declared",
                    turns=turns,
                    digest=person.external_id,
                    length=len(body + person.external_id),
                )
                for person in people
            )
            Segment.objects.bulk_create(
                Segment(transcript=transcript, index=1, start=0, end=transcript.length)
                for transcript in transcripts
            )
    return {"interviews": interviews, "characters": len(body)}
