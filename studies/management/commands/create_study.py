from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console

from config.commands import Command as BaseCommand
from studies.models import Unit
from studies.people import create_study
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Make a study.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY", help=gettext("its short name"))
        parser.add_argument("--name", required=True, help=gettext("its name, as people say it"))
        parser.add_argument(
            "--fictional", action="store_true", help=gettext("its interviews are made up")
        )
        parser.add_argument("--unit", choices=Unit.values, help=gettext("what one coding is about"))
        parser.add_argument(
            "--evidence-required",
            action="store_true",
            default=None,
            help=gettext("whoever says yes must point at words that say so"),
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study, created = create_study(
            options["study"],
            options["name"],
            fictional=options["fictional"],
            unit=options["unit"],
            evidence_required=options["evidence_required"],
        )
        return {"study": study.slug, "name": study.name, "created": created}

    def show(self, result: dict[str, Any], console: Console) -> None:
        sentence = (
            gettext("The study “%(name)s” is made; its short name is %(study)s.")
            if result["created"]
            else gettext("The study “%(name)s” was there already; its short name is %(study)s.")
        )
        console.print(sentence % result, highlight=False, markup=False)
