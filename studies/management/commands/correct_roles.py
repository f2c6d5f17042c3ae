from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.commands import Command as BaseCommand
from studies.people import study_named
from studies.problems import Problem, _
from studies.problems import _ as mark
from studies.transcripts import correct_roles, speakers


class Command(BaseCommand):
    help = mark("Say which speakers are interviewers and which participants, for a whole study.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument(
            "roles",
            metavar="LABEL=ROLE",
            nargs="*",
            help=gettext("such as Dan=interviewer; without any the speakers are listed"),
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        roles = {}
        for given in options["roles"]:
            label, equals, role = given.rpartition("=")
            if not equals or not label.strip():
                raise Problem(
                    _("“%(given)s” names no role: write it as LABEL=interviewer."), given=given
                )
            roles[label] = role.strip()
        changed = correct_roles(study, roles) if roles else 0
        return {"study": study.slug, "changed": changed, "speakers": speakers(study)}

    def show(self, result: dict[str, Any], console: Console) -> None:
        table = Table(title=gettext("Speakers of %(study)s") % result, title_justify="left")
        table.add_column(gettext("speaker"))
        table.add_column(gettext("role"))
        table.add_column(gettext("interviews"), justify="right")
        table.add_column(gettext("turns"), justify="right")
        for row in result["speakers"]:
            role = {
                "interviewer": gettext("interviewer"),
                "participant": gettext("participant"),
            }[row["role"]]
            label = escape(row["label"])
            table.add_row(label, role, str(row["interviews"]), str(row["turns"]))
        console.print(table)
        console.print(
            gettext("Interviews that read differently now: %(changed)s") % result, highlight=False
        )
