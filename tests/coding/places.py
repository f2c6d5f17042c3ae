"""Databases of their own for real processes: of the kind that the tests run on."""

import atexit
import os
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from tests.simulator.server import Running

ROOT = Path(__file__).resolve().parent.parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
MAKE = """
import django
django.setup()
from django.core.management import call_command
from tests.factories import make_revision, make_segment, make_study
call_command("migrate", verbosity=0)
study = make_study("hopes")
make_revision(study)
for number in range({count}):
    make_segment(f"I hope for number {{number}} of my wishes.", study)
"""


class Place:
    """A database of its own with a study of `count` segments, and real processes on it.

    It is a file, or a database of PostgreSQL's where TEST_DATABASE_URL names one of its servers.
    """

    def __init__(self, folder: Path, simulator: Running, count: int) -> None:
        self.folder = folder
        self.url = on_postgres(os.environ.get("TEST_DATABASE_URL", ""))
        self.path = folder / "own.sqlite3"
        self.environment = {
            **os.environ,
            "DATABASE_URL": self.url or f"sqlite:///{self.path}",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "CONCORD_SECRET_KEY": "tests-only",
            "ANTHROPIC_BASE_URL": simulator.url,
            "ANTHROPIC_API_KEY": "test-key",
        }
        subprocess.run(  # noqa: S603  this Python, with words of ours
            [sys.executable, "-c", MAKE.format(count=count)],
            env=self.environment,
            cwd=ROOT,
            check=True,
            timeout=240,
        )

    def begin(self, *more: str) -> "subprocess.Popen[str]":
        """Begin to code, with 4 threads unless `more` says otherwise."""
        more = more or ("--threads", "4")
        return self.command("code", "hopes", "--coder", "claude", "--yes", *more)

    def command(self, *words: str) -> "subprocess.Popen[str]":
        """Begin a command of ours."""
        return subprocess.Popen(  # noqa: S603  this Python, with words of ours
            [*MANAGE, *words, "--json"],
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, query: str) -> list[Any]:
        """Return the rows that `query` finds."""
        if not self.url:
            with closing(sqlite3.connect(self.path, timeout=30)) as database:
                return database.execute(query).fetchall()
        import psycopg

        with psycopg.connect(self.url) as server:
            return [
                tuple(float(value) if isinstance(value, Decimal) else value for value in row)
                for row in server.execute(query.encode()).fetchall()
            ]


def on_postgres(server: str) -> str:
    """Return the address of a new database on `server`, gone at the end; empty if it is none."""
    if not server.startswith("postgres"):
        return ""
    import psycopg

    name = f"concord_place_{uuid.uuid4().hex[:12]}"
    run_on(psycopg, server, f"create database {name}")
    atexit.register(partial(run_on, psycopg, server, f"drop database {name} with (force)"))
    return f"{server.rpartition('/')[0]}/{name}"


def run_on(psycopg: Any, server: str, statement: str) -> None:
    """Carry out `statement` outside of a transaction."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(statement)
