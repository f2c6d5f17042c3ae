"""What every command has: `--json`, progress on stderr, one sentence when something is wrong."""

import json
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from studies.problems import Problem

TABLES_MISSING = ("no such table", "does not exist", "no such column")


class Command(BaseCommand):
    """A door in the terminal: `work` does it and returns the JSON object, `show` prints it."""

    requires_migrations_checks = False
    stealth_options = ("json",)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        self.help = gettext(str(self.help))
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument(
            "--json", action="store_true", help=gettext("print one JSON object on stdout")
        )
        return parser

    @abstractmethod
    def work(self, **options: Any) -> dict[str, Any]:
        """Do what the command is for and return what `--json` prints."""

    def show(self, result: dict[str, Any], console: Console) -> None:
        """Print `result` for a person."""
        for key, value in result.items():
            console.print(f"{key}: {value}", highlight=False)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = self.work(**options)
        except Problem as problem:
            raise CommandError(problem.sentence(gettext)) from problem
        except DatabaseError as error:
            if any(sign in str(error) for sign in TABLES_MISSING):
                raise CommandError(
                    gettext(
                        "The database has no tables of this version yet: run `manage.py migrate`."
                    )
                ) from error
            raise CommandError(
                gettext("The database does not answer as it should: %(error)s")
                % {"error": str(error).strip().splitlines()[0]}
            ) from error
        except KeyboardInterrupt as stop:
            raise CommandError(
                gettext("Stopped. What was done is kept; the same command goes on where it was."),
                returncode=130,
            ) from stop
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False, allow_nan=False, default=str))
        else:
            self.show(result, Console(file=sys.stdout))


def show_newcomers(console: Console, newcomers: list[dict[str, Any]]) -> None:
    """Print which coders were made since nobody was called so, and whom a name may have meant."""
    if not newcomers:
        return
    names = ", ".join(one["name"] for one in newcomers)
    told = [gettext("New in the study, made as coders: %(names)s.") % {"names": names}]
    told += [
        gettext("Was “%(close)s” meant by “%(name)s”?")
        % {"close": ", ".join(one["close"]), "name": one["name"]}
        for one in newcomers
        if one["close"]
    ]
    for sentence in told:
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def ask_whom(parser: CommandParser) -> None:
    """Let a command that asks Claude be told which service or server, how far, and what again."""
    parser.add_argument(
        "--base-url",
        default="",
        metavar="URL",
        help=gettext("a server of your own that speaks the Messages API"),
    )
    parser.add_argument(
        "--service",
        default="",
        metavar="NAME",
        help=gettext(
            "who is asked: anthropic, bedrock, vertex or foundry (else CONCORD_SERVICE says)"
        ),
    )
    parser.add_argument(
        "--again-failed", action="store_true", help=gettext("ask again about what failed, too")
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help=gettext("only say what it would cost; nothing is sent that costs money"),
    )
    parser.add_argument(
        "--yes", action="store_true", help=gettext("do not ask before money is spent")
    )


def agreed(told: Console) -> bool:
    """Return whether the person at the keyboard wants to go on."""
    told.print(gettext("Go on? [y/N]"), end=" ", markup=False)
    return sys.stdin.readline().strip().lower() in {"y", "yes", gettext("y")}


def listed(text: str) -> list[str]:
    """Return the names in `text`, parted by commas; the `type` of an argument."""
    return [name.strip() for name in text.split(",") if name.strip()]


def plain_table(title: str, *numbers: str) -> Table:
    """Return a table that reads well in 80 columns: no frames, numbers to the right."""
    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("", min_width=14, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator["Bar"]:
    """Show a progress bar on stderr while the block runs; the block calls `advance` or `at`."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=False,
    ) as bars:
        yield Bar(bars, description, total)


class Bar:
    """One line of progress."""

    def __init__(self, bars: Progress, description: str, total: int | None) -> None:
        self.bars = bars
        self.task = bars.add_task(description, total=total)

    def advance(self, steps: int = 1) -> None:
        """Go `steps` further."""
        self.bars.advance(self.task, steps)

    def at(self, done: int, total: int | None = None) -> None:
        """Stand at `done` of `total`."""
        self.bars.update(self.task, completed=done, total=total)
