from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console

from coding.models import Found
from config.commands import Command as BaseCommand
from config.commands import progress, show_newcomers
from reviews.codings import import_codings
from studies.people import names_in, newcomers, study_named
from studies.problems import _

SHOWN = 20


class Command(BaseCommand):
    help = _("Import codings made elsewhere, by people or by a model.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument(
            "path",
            metavar="PATH",
            help=gettext(
                "CSV: transcript,segment,coder,dimension,code,value,start,end,quote; "
                "or a project of REFI-QDA (qdpx)"
            ),
        )
        parser.add_argument(
            "--as-run",
            metavar="NAME",
            help=gettext("the codings are a model's: make them a run of this name"),
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        known = names_in(study)
        with progress(gettext("Rows")) as bar:
            imported = import_codings(study, options["path"], options["as_run"], bar.at)
        left_out = [
            {
                "line": one.line,
                "transcript": one.transcript,
                "segment": one.segment,
                "coder": one.coder,
                "reason": one.problem.sentence(gettext),
            }
            for one in imported.left_out
        ]
        return {
            "study": study.slug,
            "run": imported.run.name if imported.run else None,
            "rows": imported.rows,
            "codings": imported.codings,
            "added": imported.added,
            "unchanged": imported.unchanged,
            "marks": imported.marks,
            "joined": imported.joined,
            "evidence": imported.evidence,
            "coders": sorted(imported.coders),
            "new_coders": []
            if imported.run
            else [asdict(one) for one in newcomers(known, sorted(imported.coders))],
            "left_out": left_out,
            "remarks": [remark.sentence(gettext) for remark in imported.remarks],
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            ngettext(
                "%(rows)d row read: %(codings)d codings are new, %(added)d have more dimensions "
                "now, %(unchanged)d were there already.",
                "%(rows)d rows read: %(codings)d codings are new, %(added)d have more dimensions "
                "now, %(unchanged)d were there already.",
                result["rows"],
            )
            % result,
            highlight=False,
        )
        if result["joined"]:
            console.print(
                ngettext(
                    "%(count)d answers a question of the current sample.",
                    "%(count)d answer questions of the current sample.",
                    result["joined"],
                )
                % {"count": result["joined"]},
                highlight=False,
            )
        if any(result["evidence"].values()):
            found = (f"{Found(how).label} {n}" for how, n in result["evidence"].items() if n)
            console.print(
                gettext("Quotations: %(found)s") % {"found": " · ".join(found)}, highlight=False
            )
        show_newcomers(console, result["new_coders"])
        for remark in result["remarks"]:
            console.print(remark, highlight=False, markup=False)
        for one in result["left_out"][:SHOWN]:
            console.print(
                gettext("Left out, line %(line)d: %(reason)s") % one,
                highlight=False,
                markup=False,
                style="yellow",
            )
        more = len(result["left_out"]) - SHOWN
        if more > 0:
            console.print(
                ngettext(
                    "%(count)d more reason; --json lists them all.",
                    "%(count)d more reasons; --json lists them all.",
                    more,
                )
                % {"count": more},
                highlight=False,
            )
