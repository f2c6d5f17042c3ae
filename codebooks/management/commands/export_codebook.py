from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console

from codebooks.exports import export_codebook
from codebooks.revisions import current_revision
from config.commands import Command as BaseCommand
from studies.people import study_named
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Export a study’s newest codebook as YAML, CSV, XLSX or QDC (REFI-QDA).")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("path", metavar="PATH", type=Path)

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        revision = current_revision(study)
        losses = export_codebook(revision, options["path"])
        return {
            "study": study.slug,
            "codebook": revision.codebook.name,
            "revision": revision.number,
            "path": str(options["path"]),
            "losses": [loss.sentence(gettext) for loss in losses],
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        sentence = gettext("Revision %(revision)s of “%(codebook)s” is written to %(path)s.")
        console.print(sentence % result, highlight=False, markup=False)
        for loss in result["losses"]:
            console.print(loss, highlight=False, markup=False)
