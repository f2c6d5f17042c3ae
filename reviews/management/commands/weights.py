"""Write what a statistician needs elsewhere: design, weights, cells, pseudo-outcomes, recipes."""

import os
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.text import Text

from config.commands import Command as BaseCommand
from reviews.weights import NAMES, write_weights
from studies.people import study_named
from studies.problems import Problem
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Write design, weights and pseudo-outcomes for analyses elsewhere, as one zip.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("path", metavar="FILE.zip", type=Path)

    def work(self, **options: Any) -> dict[str, Any]:
        path: Path = options["path"]
        if path.suffix != ".zip":
            raise Problem(mark("The file is a zip: “%(path)s” does not end so."), path=path.name)
        study = study_named(options["study"])
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside it and then moved: half a file is never there under its name.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                made = write_weights(study, file)
            except BaseException:
                os.unlink(file.name)
                raise
        os.replace(file.name, path)
        return {"file": str(path), "holds": list(NAMES), "report": made.fingerprint}

    def show(self, result: dict[str, Any], console: Console) -> None:
        console.print(Text(_("Written: %(path)s") % {"path": result["file"]}), soft_wrap=True)
