"""Print the report of a study, and write it as files."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.commands import Command as BaseCommand
from config.commands import listed, plain_table
from reviews.records import from_record
from reviews.report_files import write_report
from reviews.reports import REPLICATES, SEED, Report, as_json, report
from reviews.wording import AgreementLine, EvidenceLine, PrevalenceLine, page
from studies.audit import Action, record
from studies.people import study_named
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Report agreement and prevalence, with what they rest on.")
    made: Report

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("--out", metavar="DIR", help=_("write the report as files there"))
        parser.add_argument(
            "--by", type=listed, default=[], help=_("language or attributes, separated by commas")
        )
        parser.add_argument(
            "--record",
            type=Path,
            metavar="FILE",
            help=_("the design record of an earlier report: make the very same again"),
        )
        parser.add_argument("--run", type=int, metavar="ID", help=_("another run than the latest"))
        parser.add_argument("--sample", type=int, metavar="ID", help=_("another sample"))
        parser.add_argument("--seed", type=int, default=SEED, help=_("where chance begins"))
        parser.add_argument("--replicates", type=int, default=REPLICATES)

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        if options["record"]:
            self.made = from_record(study, options["record"])
        else:
            self.made = report(
                study,
                by=options["by"],
                run=options["run"],
                sample=options["sample"],
                seed=options["seed"],
                replicates=options["replicates"],
            )
        result = as_json(self.made)
        if options["out"]:
            paths = write_report(self.made, Path(options["out"]))
            result["files"] = [str(path) for path in paths]
            record(study, None, Action.REPORT_MADE, "", after={"by": list(self.made.by)})
        return result

    def show(self, result: dict[str, Any], console: Console) -> None:
        shown = page(self.made, by=self.made.by, pictures=False)
        console.print(Text(self.made.name, style="bold"))
        for note in shown["notes"]:
            console.print(Text(note, style="yellow"))
        for fact in shown["facts"]:
            console.print(Text(f"{fact.name}: {fact.value}"))
        # The overview comes last: that is where a terminal stands when all is printed.
        broken_down = [(area, code) for area in shown["areas"] for code in area["codes"]]
        if "files" not in result:
            for area, code in broken_down:
                show_prevalence(console, f"{code['label']}: {area['title']}", code["lines"])
        if shown["evidence"]:
            console.print()
            console.print(evidence_table(shown["evidence"]))
        for side in shown["agreement"]:
            console.print()
            if side["lines"]:
                console.print(agreement_table(side["title"], side["lines"]))
                show_verdicts(console, side["lines"])
            else:
                console.print(Text(f"{side['title']}: {side['empty']}"))
        show_prevalence(console, _("Prevalence"), shown["prevalence"])
        if "files" in result and broken_down:
            console.print(Text(_("What is broken down stands in the files and on the site.")))
        for path in result.get("files", []):
            console.print(Text(_("Written: %(path)s") % {"path": path}), soft_wrap=True)


def show_prevalence(console: Console, title: str, lines: list[PrevalenceLine]) -> None:
    """Print prevalence; what is not validated is dim, and beneath the table it says why."""
    numbers = _("corrected"), _("95 % interval"), _("people"), _("machine"), "n", "n+"
    table = plain_table(title, *numbers, _("grade"))
    names = [line.domain for line in lines] if lines and lines[0].domain else named(lines)
    for name, line in zip(names, lines, strict=True):
        cells = [
            name,
            line.estimate,
            line.interval,
            line.human,
            line.machine,
            line.reviewed,
            line.positives,
            line.grade,
        ]
        table.add_row(*(Text(cell) for cell in cells), style="dim" if line.grey else "")
    console.print()
    console.print(table)
    pairs = zip(names, lines, strict=True)
    grouped(console, [(line.why, name) for name, line in pairs if line.why])


def show_verdicts(console: Console, lines: list[AgreementLine]) -> None:
    """Print what each coefficient allows to say."""
    pairs = zip(named(lines), lines, strict=True)
    grouped(console, [(line.verdict, name) for name, line in pairs])


def named(lines: Sequence[AgreementLine | PrevalenceLine]) -> list[str]:
    """Return the codes' labels, with their dimension's before them where one occurs twice."""
    counts = Counter(line.label for line in lines)
    return [
        f"{line.dimension}: {line.label}" if counts[line.label] > 1 else line.label
        for line in lines
    ]


def grouped(console: Console, said: list[tuple[str, str]]) -> None:
    """Print each sentence once, with all that it is said of."""
    for sentence in dict.fromkeys(sentence for sentence, _about in said):
        about = ", ".join(name for other, name in said if other == sentence)
        console.print(Text(f"  {sentence.rstrip('.')}: {about}", style="dim"))


def agreement_table(title: str, lines: list[AgreementLine]) -> Table:
    """Return a table of agreement; where no coefficient is printed it is dim."""
    numbers = "alpha", _("95 % interval"), "n", "n+", _("percent"), "kappa", "AC1"
    table = plain_table(title, *numbers)
    for name, line in zip(named(lines), lines, strict=True):
        cells = [
            name,
            line.estimate,
            line.interval,
            line.units,
            line.positives,
            line.percent,
            line.kappa,
            line.ac1,
        ]
        table.add_row(*(Text(cell) for cell in cells), style="dim" if line.grey else "")
    return table


def evidence_table(lines: list[EvidenceLine]) -> Table:
    """Return a table of how quotations were found, by language."""
    names = _("found"), _("exact"), _("folded"), _("nearly"), _("interviewer"), _("missing")
    table = plain_table(_("Evidence"), *names)
    for line in lines:
        cells = [
            line.language or _("all"),
            line.share,
            line.exact,
            line.folded,
            line.fuzzy,
            line.interviewer,
            line.missing,
        ]
        table.add_row(*(Text(cell) for cell in cells))
    return table
