import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection

from config.commands import Command
from tests.factories import make_study

APPS = {"studies", "codebooks", "coding", "reviews"}
OURS = sorted(name for name, app in get_commands().items() if app in APPS)
DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "commands.md"


@pytest.mark.parametrize("name", OURS)
def test_every_command_takes_json_says_what_it_is_for_and_stands_in_the_docs(name: str) -> None:
    command = load_command_class(get_commands()[name], name)
    assert isinstance(command, Command)
    said = command.create_parser("manage.py", name).format_help()
    assert "--json" in said
    assert command.help
    assert f"`{name} " in DOCS.read_text(encoding="utf-8")


@pytest.mark.django_db
def test_json_is_one_object_on_one_line() -> None:
    out = StringIO()
    call_command("create_study", "json", "--name", "Größe", "--json", stdout=out)
    assert json.loads(out.getvalue())["study"] == "json"
    assert out.getvalue().count("\n") == 1
    assert "Größe" in out.getvalue()


@pytest.mark.django_db
def test_a_mistake_is_one_sentence() -> None:
    make_study("there")
    with pytest.raises(CommandError, match=r"there") as said:
        call_command("correct_language", "not-there", "en")
    assert "\n" not in str(said.value)


@pytest.mark.django_db(transaction=True)
def test_without_tables_a_command_says_what_to_run() -> None:
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE studies_study RENAME TO away")
    try:
        with pytest.raises(CommandError, match=r"manage\.py migrate"):
            call_command("create_study", "x", "--name", "X")
    finally:
        with connection.schema_editor() as editor:
            editor.execute("ALTER TABLE away RENAME TO studies_study")


def started(*command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", *command],
        cwd=DOCS.parent.parent,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("address", ["garbage", "mysql://someone:secret@there/x"])
def test_an_address_of_no_known_database_is_said_in_one_sentence(address: str) -> None:
    done = started("check", DATABASE_URL=address)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"secret" not in done.stderr
    assert "DATABASE_URL is “" in done.stderr.decode()


def test_json_is_utf_8_whatever_the_pipe_is(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'a.sqlite3'}"
    started("migrate", DATABASE_URL=database)
    done = started(
        *("create_study", "pipe", "--name", "Größe 大"),
        "--json",
        DATABASE_URL=database,
        PYTHONIOENCODING="ascii",
    )
    assert json.loads(done.stdout.decode("utf-8"))["name"] == "Größe 大"
