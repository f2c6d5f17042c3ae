"""Print how many reviews a study needs, where the next ones go, and whether it may stop."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.commands import Command as BaseCommand
from config.commands import listed, plain_table
from reviews.planning import HALF_WIDTH, Assumed, Need, Planned, Rule, as_json, declare, planned
from reviews.planning_wording import half_width_text, named, verdict_sentences
from reviews.sampling import current_sample
from studies.people import study_named
from studies.problems import Problem
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Plan a review: how many answers are needed, and when it is enough.")
    made: Planned

    def add_arguments(self, parser: CommandParser) -> None:
        usual = Assumed()
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument(
            "--half-width",
            type=float,
            default=100 * HALF_WIDTH,
            metavar="POINTS",
            help=_("how far the interval may reach to either side, in points"),
        )
        for name, value, text in (
            (
                "prevalence",
                usual.prevalence,
                _("the share you expect before any coding, in per cent"),
            ),
            (
                "sensitivity",
                usual.sensitivity,
                _("how many of those the machine finds, in per cent"),
            ),
            (
                "specificity",
                usual.specificity,
                _("how many of the others it leaves out, in per cent"),
            ),
        ):
            parser.add_argument(
                f"--{name}", type=float, default=100 * value, metavar="PERCENT", help=text
            )
        parser.add_argument(
            "--looks",
            metavar="N,N",
            help=_("declare a stopping rule: at which numbers of reviewed segments to look"),
        )
        parser.add_argument(
            "--codes",
            type=listed,
            default=[],
            metavar="CODES",
            help=_("its codes, as dimension/code; or all"),
        )
        parser.add_argument(
            "--languages",
            type=listed,
            default=[],
            help=_("languages in which it must hold as well"),
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        half_width = options["half_width"] / 100
        assumed = Assumed(
            options["prevalence"] / 100, options["sensitivity"] / 100, options["specificity"] / 100
        )
        if options["looks"] is not None:
            sample = current_sample(study)
            if sample is None:
                raise Problem(mark("A stopping rule belongs to a sample: draw one first."))
            declare(
                sample,
                Rule(
                    numbers(options["looks"]),
                    half_width,
                    tuple(options["codes"]),
                    tuple(options["languages"]),
                ),
            )
        self.made = planned(study, half_width=half_width, assumed=assumed)
        return as_json(self.made)

    def show(self, result: dict[str, Any], console: Console) -> None:
        made = self.made
        wanted = half_width_text(made.half_width)
        heading = _("Reviews needed for an interval of %(width)s") % {"width": wanted}
        console.print(Text(heading, style="bold"))
        console.print(needs(_("Before any coding (assumed rates)"), made, made.before))
        if made.after:
            overall = [need for need in made.after if need.language is None]
            console.print(needs(_("After what was reviewed so far"), made, overall))
        if any(one.more for one in made.strata):
            table = plain_table(
                _("Where the next ones go"), _("more"), _("reviewed"), _("segments")
            )
            for one in made.strata:
                numbers = (one.more, one.reviewed, one.population)
                table.add_row(one.key or "–", *(str(number) for number in numbers))
            console.print(table)
        for sentence in verdict_sentences(made):
            console.print(Text(sentence))


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers in `text`, separated by commas."""
    if not all(part.strip().isdecimal() for part in text.split(",")):
        raise Problem(mark("Looks are whole numbers, separated by commas."))
    return tuple(int(part) for part in text.split(","))


def needs(title: str, made: Planned, rows: Any) -> Table:
    """Return the table of what several figures need."""
    heads = _("share"), _("people"), _("machine"), _("best"), _("now ±"), _("more")
    table = plain_table(title, *heads)
    need: Need
    for need in rows:
        table.add_row(
            named(made, need),
            f"{100 * need.rates.prevalence:.1f} %",
            str(need.human),
            str(need.proportional),
            str(need.neyman),
            "–" if need.assumed else half_width_text(need.now),
            str(need.more),
        )
    return table
