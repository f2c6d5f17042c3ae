from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.commands import Command as BaseCommand
from config.commands import progress
from studies.imports import Imported, Row, import_transcripts
from studies.models import Unit
from studies.people import study_named
from studies.problems import _ as mark
from studies.search import index

SHOWN = 50  # rows of the report in a terminal; --json gives more


class Command(BaseCommand):
    help = mark(
        "Import interviews: csv, tsv, xlsx, jsonl (a row an interview); txt, md, docx, vtt, srt "
        "(a file an interview); qdpx (a project of REFI-QDA); a folder or zip of them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("paths", metavar="PATH", nargs="+")
        parser.add_argument("--id-column", default="", metavar="C")
        parser.add_argument(
            "--text-column",
            default="",
            metavar="C",
            help=gettext("the column of the text; several, such as Q1,Q2, are questions"),
        )
        parser.add_argument("--language-column", default="", metavar="C")
        parser.add_argument(
            "--attributes",
            default=None,
            metavar="C,C",
            help=gettext("columns about the participant; without it all short ones"),
        )
        parser.add_argument(
            "--no-index",
            dest="index",
            action="store_false",
            help=gettext("leave making them searchable to `manage.py index_transcripts`"),
        )
        parser.add_argument("--unit", choices=Unit.values, help=gettext("what one coding is about"))

    def handle(self, *args: Any, **options: Any) -> None:
        self.nothing_taken = ""
        super().handle(*args, **options)
        if self.nothing_taken:
            raise CommandError(self.nothing_taken)

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        with progress(gettext("Importing interviews")) as bar:
            imported = import_transcripts(
                study,
                options["paths"],
                id_column=options["id_column"],
                text_column=options["text_column"],
                language_column=options["language_column"],
                attributes=options["attributes"],
                unit=options["unit"],
                advance=bar.at,
            )
        if options["index"]:
            with progress(gettext("Making interviews searchable")) as bar:
                index(study, advance=bar.at)
        taken = imported.created + imported.unchanged + imported.changed + imported.updated
        if not taken and imported.rows:
            self.nothing_taken = gettext(
                "Nothing was imported: every row was left out, the first because: %(reason)s"
            ) % {"reason": _where(imported.rows[0])}
        return {"study": study.slug, "unit": study.unit, **_counts(imported)}

    def show(self, result: dict[str, Any], console: Console) -> None:
        table = Table(title=gettext("Interviews of %(study)s") % result, title_justify="left")
        table.add_column(gettext("what became of them"))
        table.add_column(gettext("count"), justify="right")
        for key, label in (
            ("created", gettext("new")),
            ("unchanged", gettext("unchanged")),
            ("updated", gettext("with new attributes or language")),
            ("changed", gettext("with a new text")),
            ("left_out", gettext("left out")),
            ("unsure_language", gettext("of unsure language: a person must look")),
        ):
            table.add_row(label, str(result[key]))
        console.print(table)
        _print_rows(console, gettext("Left out"), result["rows"], result["left_out"])
        _print_rows(console, gettext("Remarks"), result["notes"], result["noted"])


def _where(row: Row) -> str:
    """Return why `row` was left out, after its place where the reason does not say that."""
    reason = row.reason.sentence(gettext)
    if row.source in reason:
        return reason
    return f"{row.source}:{row.row}: {reason}" if row.row else f"{row.source}: {reason}"


def _counts(imported: Imported) -> dict[str, Any]:
    return {
        "created": imported.created,
        "unchanged": imported.unchanged,
        "changed": imported.changed,
        "updated": imported.updated,
        "left_out": imported.left_out,
        "unsure_language": imported.unsure_language,
        "rows": [_row(row) for row in imported.rows],
        "noted": imported.noted,
        "notes": [_row(row) for row in imported.notes],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "source": row.source,
        "row": row.row or None,
        "line": row.line or None,
        "id": row.id or None,
        "reason": row.reason.sentence(gettext),
    }


def _print_rows(console: Console, title: str, rows: list[dict[str, Any]], count: int) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for heading in (gettext("file"), gettext("row"), gettext("id"), gettext("why")):
        table.add_column(heading, overflow="fold")
    for row in rows[:SHOWN]:
        cells = (row["source"], row["row"] or "", row["id"] or "", row["reason"])
        table.add_row(*(escape(str(cell)) for cell in cells))
    console.print(table)
    if count > SHOWN:
        console.print(
            gettext("… and %(count)s more; --json names the first 1,000.")
            % {"count": count - min(len(rows), SHOWN)},
            highlight=False,
        )
