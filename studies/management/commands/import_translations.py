from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console

from config.commands import Command as BaseCommand
from config.commands import progress
from studies.people import study_named
from studies.problems import _
from studies.translation_imports import import_translations

SHOWN = 20


class Command(BaseCommand):
    help = _(
        "Import translations of interviews, which are shown beside them to who does not read their "
        "language; they are never coded and never evidence."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument(
            "path",
            metavar="PATH",
            help=gettext(
                "csv, tsv, xlsx or jsonl, a row a turn: transcript,turn,language,text (turn is the "
                "number that the page shows)"
            ),
        )
        parser.add_argument(
            "--maker",
            default="",
            metavar="NAME",
            help=gettext("who or what made them; without it the file’s name"),
        )
        parser.add_argument(
            "--by-people",
            action="store_true",
            help=gettext("people made them; without it they are marked as made by a machine"),
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        with progress(gettext("Rows")) as bar:
            imported = import_translations(
                study,
                options["path"],
                maker=options["maker"],
                machine=not options["by_people"],
                at=bar.at,
            )
        return {
            "study": study.slug,
            "rows": imported.rows,
            "created": imported.created,
            "changed": imported.changed,
            "unchanged": imported.unchanged,
            "turns": imported.turns,
            "languages": sorted(imported.languages),
            "left_out": imported.left_out,
            "reasons": [
                {
                    "line": one.line,
                    "transcript": one.transcript,
                    "turn": one.turn,
                    "language": one.language,
                    "reason": one.reason.sentence(gettext),
                }
                for one in imported.reasons
            ],
            "remarks": [remark.sentence(gettext) for remark in imported.remarks],
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            ngettext(
                "%(rows)d row read. Translations of interviews: %(created)d new, %(changed)d in "
                "the place of earlier ones, %(unchanged)d unchanged.",
                "%(rows)d rows read. Translations of interviews: %(created)d new, %(changed)d in "
                "the place of earlier ones, %(unchanged)d unchanged.",
                result["rows"],
            )
            % result,
            highlight=False,
        )
        for remark in result["remarks"]:
            console.print(remark, highlight=False, markup=False)
        for one in result["reasons"][:SHOWN]:
            console.print(
                gettext("Left out, line %(line)d: %(reason)s") % one,
                highlight=False,
                markup=False,
                style="yellow",
            )
        more = result["left_out"] - min(len(result["reasons"]), SHOWN)
        if more > 0:
            console.print(
                gettext("… and %(count)s more; --json names the first 1,000.") % {"count": more},
                highlight=False,
            )
