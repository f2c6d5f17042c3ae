from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console

from config.commands import Command as BaseCommand
from config.commands import progress
from reviews.exports import export
from studies.models import Segment
from studies.people import study_named
from studies.problems import _


class Command(BaseCommand):
    help = _("Export all codings as a tidy table, or the study as a project (REFI-QDA).")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument(
            "path", metavar="PATH", help=gettext("ends in .csv, .xlsx, .jsonl, .parquet or .qdpx")
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        segments = Segment.objects.filter(transcript__study=study).count()
        with progress(gettext("Segments"), segments) as bar:
            written = export(study, options["path"], bar.advance)
        if "losses" in written:
            written["losses"] = [loss.sentence(gettext) for loss in written["losses"]]
        return {"study": study.slug, "path": options["path"], **written}

    def show(self, result: dict[str, Any], console: Console) -> None:
        if "losses" in result:
            sentence = gettext(
                "Interviews: %(interviews)d, codings: %(codings)d; they are written to %(path)s."
            )
            for line in (sentence % result, *result["losses"]):
                console.print(line, highlight=False, markup=False)
            return
        console.print(
            ngettext(
                "%(rows)d row is written to %(path)s.",
                "%(rows)d rows are written to %(path)s.",
                result["rows"],
            )
            % result,
            highlight=False,
            markup=False,
        )
