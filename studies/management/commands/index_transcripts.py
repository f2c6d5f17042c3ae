from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console

from config.commands import Command as BaseCommand
from config.commands import progress
from studies.people import study_named
from studies.problems import _ as mark
from studies.search import index, missing


class Command(BaseCommand):
    help = mark("Make the interviews of a study searchable; those that are already are left alone.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        todo = missing(study).count()
        with progress(gettext("Making interviews searchable"), todo) as bar:
            left = index(study, advance=bar.at)
        return {"study": study.slug, "indexed": todo - left, "left": left}

    def show(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            gettext("Made searchable: %(indexed)s interviews of %(study)s.") % result,
            highlight=False,
            markup=False,
        )
