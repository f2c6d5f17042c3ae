import sys
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console

from config.commands import Command as BaseCommand
from reviews.withdrawing import named, withdraw
from studies.people import study_named
from studies.problems import Problem
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark(
        "Remove interviews whose participants took back their consent, with all that hangs on them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY", help=gettext("the study's short name"))
        parser.add_argument("ids", metavar="ID", nargs="+", help=gettext("ids of interviews"))
        parser.add_argument(
            "--reason",
            default="",
            metavar="WHY",
            help=gettext("kept in the trail; may be left out"),
        )
        parser.add_argument(
            "--others",
            action="store_true",
            help=gettext("and all other interviews of the same participants"),
        )
        parser.add_argument("--yes", action="store_true", help=gettext("do not ask before"))

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        chosen = named(study, list(dict.fromkeys(options["ids"])), whole=options["others"])
        if not options["yes"] and sys.stdin.isatty() and not agreed(len(chosen)):
            raise Problem(mark("Nothing was withdrawn."))
        gone = withdraw(study, chosen, why=options["reason"])
        return {
            "study": study.slug,
            "withdrawn": [
                {"id": one.id, "participant": one.participant, **one.hung.as_json()} for one in gone
            ],
            "interviews": study.transcripts.count(),
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        for one in result["withdrawn"]:
            console.print(
                gettext(
                    "%(id)s is withdrawn; with it went: codings by the machine %(by_machine)d, by "
                    "people %(by_people)d; passages %(passages)d; places in samples %(items)d; "
                    "rulings %(rulings)d; translations %(translations)d; requests %(requests)d."
                )
                % one,
                highlight=False,
                markup=False,
            )
        console.print(
            ngettext(
                "%(count)d interview is left in “%(study)s”.",
                "%(count)d interviews are left in “%(study)s”.",
                result["interviews"],
            )
            % {"count": result["interviews"], "study": result["study"]},
            highlight=False,
            markup=False,
        )


def agreed(count: int) -> bool:
    """Return whether the person at the keyboard wants so many interviews to be gone for good."""
    told = Console(stderr=True, highlight=False)
    told.print(
        ngettext(
            "%(count)d interview is removed for good, with all that hangs on it.",
            "%(count)d interviews are removed for good, with all that hangs on them.",
            count,
        )
        % {"count": count},
        markup=False,
    )
    told.print(gettext("Go on? [y/N]"), end=" ", markup=False)
    return sys.stdin.readline().strip().lower() in {"y", "yes", gettext("y")}
