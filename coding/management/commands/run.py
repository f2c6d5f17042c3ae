from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console

from coding.costs import costs
from coding.runs import CANCELED, progress
from coding.tasks import tell
from coding.wording import reason
from config.commands import Command as BaseCommand
from studies.people import study_named
from studies.problems import Problem
from studies.problems import _ as mark

PATIENCE = 20.0  # seconds that it is waited for batches that the service is stopping


class Command(BaseCommand):
    help = mark("Pause, resume or cancel a run; whoever works on it hears it within seconds.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY", help=gettext("the study's short name"))
        parser.add_argument("what", choices=["pause", "resume", "cancel"])
        parser.add_argument(
            "--run", type=int, metavar="ID", help=gettext("which run: by default the latest")
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        if options["run"]:
            asked = study.runs.filter(pk=options["run"])
        else:
            asked = study.runs.filter(replicate=0).order_by("-pk")
        run = asked.first()
        if run is None:
            raise Problem(mark("“%(study)s” has no such run."), study=study.slug)
        tell(run, options["what"], patience=PATIENCE)
        return {**progress(run), "costs": costs(run)}

    def show(self, result: dict[str, Any], console: Console) -> None:
        segments = result["segments"]
        console.print(
            gettext("%(name)s: %(ended)s of %(total)s segments have ended.")
            % {"name": result["name"], **segments},
            markup=False,
            highlight=False,
        )
        waiting = result["batches"]["requests"]
        if waiting and result["stopped"] == CANCELED:
            console.print(
                ngettext(
                    "%(count)s segment is still with the service, which was asked to stop: the "
                    "same command fetches what it had answered.",
                    "%(count)s segments are still with the service, which was asked to stop: the "
                    "same command fetches what it had answered.",
                    waiting,
                )
                % {"count": waiting},
                markup=False,
            )
        if result["stopped"]:
            console.print(reason(result["stopped"]), markup=False, highlight=False)
