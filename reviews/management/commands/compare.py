"""Print how two runs or two revisions differ, or how far a run agrees with itself."""

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.commands import Command as BaseCommand
from config.commands import plain_table
from reviews import comparing, stability
from reviews.comparing import Comparison, compare_revisions, compare_runs
from reviews.comparing_wording import comparison_page
from reviews.reports import REPLICATES, SEED
from reviews.stability import Stability
from reviews.stability_wording import stability_page
from studies.people import study_named
from studies.problems import Problem
from studies.problems import _ as mark
from studies.seeds import check_seed


class Command(BaseCommand):
    help = mark("Compare two runs, two revisions of the codebook, or a run with its replicates.")
    made: Comparison | Stability

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument(
            "runs", nargs="*", type=int, metavar="RUN", help=_("two runs: by default the last two")
        )
        parser.add_argument(
            "--replicates",
            action="store_true",
            help=_("how far a run (by default the latest with replicates) agrees with itself"),
        )
        parser.add_argument(
            "--revisions",
            nargs="*",
            type=int,
            metavar="NUMBER",
            help=_("two revisions of the codebook: by default the last two that were coded"),
        )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="OLD=NEW",
            help=_("a code that was renamed, split, merged or (OLD=) dropped; may be repeated"),
        )
        parser.add_argument("--sample", type=int, metavar="ID", help=_("another sample"))
        parser.add_argument("--seed", type=int, default=SEED, help=_("where chance begins"))
        parser.add_argument(
            "--draws", type=int, default=REPLICATES, help=_("how often chance is asked")
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        runs, revisions = options["runs"], options["revisions"]
        check_seed(options["seed"])
        if options["draws"] < 1:
            raise Problem(mark("Chance needs one draw or more."))
        luck = {"seed": options["seed"], "replicates": options["draws"]}
        if options["replicates"]:
            if revisions is not None or len(runs) > 1 or options["map"]:
                raise Problem(mark("--replicates compares one run with itself: name one, or none."))
            self.made = stability.stability(study, *runs, **luck)
            return stability.as_json(self.made)
        if revisions is not None:
            if runs or len(revisions) not in (0, 2):
                raise Problem(mark("Name two revisions, or none: then the last two are compared."))
            self.made = compare_revisions(study, *revisions, mapping=options["map"], **luck)
        else:
            if len(runs) not in (0, 2):
                raise Problem(mark("Name two runs, or none: then the last two are compared."))
            self.made = compare_runs(
                study, *runs, mapping=options["map"], sample=options["sample"], **luck
            )
        return comparing.as_json(self.made)

    def show(self, result: dict[str, Any], console: Console) -> None:
        if isinstance(self.made, Stability):
            self.show_stability(stability_page(self.made, pictures=False), console)
        else:
            self.show_comparison(comparison_page(self.made, pictures=False), console)

    def show_stability(self, shown: dict[str, Any], console: Console) -> None:
        heading(shown, console)
        table = plain_table("", "alpha", _("95 % interval"), _("changed"), _("percent"))
        told = ["estimate", "interval", "changed", "percent"]
        print_lines(console, table, shown["lines"], told, "verdict")

    def show_comparison(self, shown: dict[str, Any], console: Console) -> None:
        heading(shown, console)
        for part in shown["tables"]:
            heads = [_("first"), _("second"), _("difference"), _("changed"), "p (Holm)"]
            table = plain_table(part["title"], *heads)
            told = ["first", "second", "difference", "changed", "holm"]
            print_lines(console, table, part["lines"], told, "sentence")
        if shown["judged"]:
            heads = [_("coded by people"), _("first right"), _("second right"), "p (Holm)"]
            table = plain_table(_("Whom do people agree with?"), *heads)
            told = ["reviewed", "first_right", "second_right", "holm"]
            print_lines(console, table, shown["judged"], told, "verdict")
        for row, why in shown["unmatched"]:
            console.print(Text(f"  {row.label}: {why}", style="yellow"))


def print_lines(
    console: Console, table: Table, lines: Iterable[Any], told: Iterable[str], below: str
) -> None:
    """Print what is `told` of each line as a row of `table`, and beneath it what stands `below`."""
    lines = list(lines)
    for line in lines:
        cells = (getattr(line, name) for name in ("label", *told))
        table.add_row(*map(Text, cells), style="dim" if line.grey else "")
    console.print(table)
    for line in lines:
        console.print(Text(f"  {line.label}: {getattr(line, below)}", style="dim"))


def heading(shown: dict[str, Any], console: Console) -> None:
    """Print what a comparison is of, and what to know before using it."""
    console.print(Text(shown["made"].name, style="bold"))
    for note in shown["notes"]:
        console.print(Text(note, style="yellow"))
    for fact in shown["facts"]:
        console.print(Text(f"{fact.name}: {fact.value}"))
    if shown["short"]:
        console.print(Text(shown["short"]))
