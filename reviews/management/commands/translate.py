import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console
from rich.table import Table

from coding.crew import BUDGET_SPENT
from coding.runs import amount
from coding.translating import MOST_THREADS, THREADS, translate
from coding.translation_costs import estimate
from coding.wording import money, reason, translation_sentence
from config.commands import Command as BaseCommand
from config.commands import agreed, ask_whom, listed, progress
from reviews.models import Item
from reviews.sampling import current_sample, rounds
from studies.languages import language_named
from studies.models import Study
from studies.people import study_named
from studies.problems import Problem, _


class Command(BaseCommand):
    help = _(
        "Have Claude translate interviews, turn by turn, for people who do not read their "
        "language. Doing it again goes on where it was. Translations are never coded and never "
        "evidence."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY", help=gettext("the study's short name"))
        parser.add_argument(
            "--into", required=True, metavar="LANGUAGE", help=gettext("such as en or Arabic")
        )
        parser.add_argument(
            "--languages",
            type=listed,
            default=[],
            metavar="L,L",
            help=gettext("only interviews in these languages"),
        )
        parser.add_argument(
            "--sample",
            action="store_true",
            help=gettext(
                "only the interviews of the current sample: the cheap way, since they are what "
                "people read"
            ),
        )
        parser.add_argument("--model", default="", help=gettext("a model of Claude"))
        parser.add_argument(
            "--budget",
            metavar="USD",
            help=gettext(
                "stop before more than this is spent, in all, on translations of the study into "
                "this language"
            ),
        )
        ask_whom(parser)
        parser.add_argument(
            "--threads", type=int, default=THREADS, help=gettext("how many ask at once, up to 32")
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        into = language_named(options["into"])
        limit = None if options["budget"] is None else amount(options["budget"])
        if not 1 <= options["threads"] <= MOST_THREADS:
            raise Problem(_("The threads are a number from 1 to 32."))
        what = {
            "model": options["model"],
            "base_url": options["base_url"],
            "service": options["service"],
            "languages": [language_named(name) for name in options["languages"]],
            "within": in_sample(study) if options["sample"] else None,
            "again_failed": options["again_failed"],
        }
        planned = estimate(study, into, **what).as_json()
        if options["estimate"]:
            return {"study": study.slug, "estimate": planned}
        told = Console(stderr=True, highlight=False)
        told.print(translation_sentence(planned), markup=False)
        asks = planned["interviews"] and not options["yes"] and sys.stdin.isatty()
        if asks and not agreed(told):
            raise Problem(_("Nothing was sent."))
        with progress(gettext("Translating"), planned["interviews"]) as bar:
            made = translate(
                study,
                into,
                **what,
                budget=limit,
                threads=options["threads"],
                advance=bar.advance,
                listen=True,
            )
        if made["stopped"] and made["stopped"] != BUDGET_SPENT:
            raise Problem(
                _("The translating stopped: %(why)s The same command goes on where it was."),
                why=reason(made["stopped"]),
            )
        return {**made, "estimate": planned}

    def show(self, result: dict[str, Any], console: Console) -> None:
        if "translated" not in result:
            console.print(translation_sentence(result["estimate"]), markup=False, highlight=False)
            return
        console.print(facts(result))
        if result["stopped"]:
            console.print(
                gettext("The translating stopped: %(why)s The same command goes on where it was.")
                % {"why": reason(result["stopped"])},
                markup=False,
            )
        if result["interviews"]["given_up"]:
            console.print(
                gettext("What failed is asked about again with --again-failed."), markup=False
            )


def in_sample(study: Study) -> Any:
    """Return the keys of the interviews of the current sample, all its rounds, as a query."""
    sample = current_sample(study)
    if sample is None:
        raise Problem(
            _("“%(study)s” has no sample yet: draw one, or leave --sample out."), study=study.slug
        )
    return Item.objects.filter(sample__in=rounds(sample)).values("segment__transcript")


def facts(result: dict[str, Any]) -> Table:
    """Return how the translating stands as a table."""
    table = Table(show_header=False)
    table.add_row(gettext("into"), result["into"])
    for one in result["translated"]:
        by = gettext("machine") if one["machine"] else gettext("people")
        table.add_row(
            gettext("translated"),
            ngettext(
                "%(count)d interview by %(maker)s (%(by)s)",
                "%(count)d interviews by %(maker)s (%(by)s)",
                one["interviews"],
            )
            % {"count": one["interviews"], "maker": one["maker"], "by": by},
        )
    table.add_row(gettext("left to do"), str(result["interviews"]["left"]))
    for why, languages in result["failed"].items():
        where = ", ".join(f"{language} {n}" for language, n in languages.items())
        table.add_row(gettext("failed"), f"{reason(why)}: {where}")
    if result["requests"]:
        table.add_row(gettext("requests"), str(result["requests"]))
        table.add_row(gettext("cost"), f"{money(result['usd'])} USD")
    if lost := result["maybe_billed"]["requests"]:
        most = result["maybe_billed"]["at_most"]
        table.add_row(gettext("maybe billed"), f"{lost} ({money(most)} USD)")
    return table
