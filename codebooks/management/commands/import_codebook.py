from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console

from codebooks.imports import import_codebook
from codebooks.models import Code, Kind
from config.commands import Command as BaseCommand
from studies.people import study_named
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Import a codebook from YAML, CSV, XLSX or QDC (REFI-QDA).")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("path", metavar="PATH", type=Path)
        parser.add_argument("--name", help=gettext("the codebook’s name, if not the file’s"))

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        revision = import_codebook(study, options["path"], options["name"])
        codes = Code.objects.filter(dimension__revision=revision)
        return {
            "study": study.slug,
            "codebook": revision.codebook.name,
            "revision": revision.number,
            "digest": revision.digest,
            "frozen": revision.frozen_at is not None,
            "dimensions": revision.dimensions.count(),
            "codes": codes.exclude(dimension__kind=Kind.SCALE).count(),
            "scales": revision.dimensions.filter(kind=Kind.SCALE).count(),
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        sentence = gettext(
            "“%(codebook)s” is now at revision %(revision)s. "
            "Dimensions: %(dimensions)s, of these scales: %(scales)s; codes: %(codes)s."
        )
        console.print(sentence % result, highlight=False, markup=False)
