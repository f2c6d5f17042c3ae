"""The report as files: one HTML file that stands alone, a document, tables and JSON.

All of them show the same frozen Report that the page shows.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from html import unescape
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from reviews.agreement import AgreementRow, Counts
from reviews.exports import written_whole
from reviews.findings import Section, checklists, sections
from reviews.pictures import png
from reviews.prevalence import PrevalenceRow
from reviews.records import design_record
from reviews.reports import Report, as_json
from reviews.rows import no_formula
from reviews.wording import AgreementLine, PrevalenceLine, page
from studies.problems import Problem, _

MOST_LINES = 400
"""Rows by domain above which the document leaves them to the tables beside it."""
OF_SCALES = (
    *("dimension", "quantity", "cut", "topic_dimension", "topic", "population", "coded"),
    *("reviewed", "human", "human_low", "human_high", "corrected", "low", "high", "machine"),
    *("status", "grade"),
)
"""Columns of scales.csv, before those of groups."""
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold."""


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the report into `folder`, each file whole or not at all, and return their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            _("The folder “%(path)s” can’t be made: %(reason)s."),
            path=folder,
            reason=error.strerror or type(error).__name__,
        ) from error
    paths = []
    for name, make in FILES.items():
        with written_whole(folder / name) as file:
            file.write(make(report))
        paths.append(folder / name)
    return paths


def html_file(report: Report) -> bytes:
    """Return the report as one HTML file with its styles and pictures inside, and no script."""
    context = page(report, by=report.by)
    context |= {"sections": sections(report), "checklists": checklists(report)}
    return render_to_string("reviews/report_file.html", context).encode()


def json_file(report: Report) -> bytes:
    """Return what `report --json` prints."""
    text = json.dumps(as_json(report), ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode()


def agreement_file(report: Report) -> bytes:
    """Return the rows of agreement as CSV; figures are not rounded, and empty if there are none."""
    nested = ("counts", "table", "coincidences", "domain", "pair")
    names = [field.name for field in fields(AgreementRow) if field.name not in nested]
    pairs = [field.name for field in fields(Counts)]
    rows = []
    for row in report.agreement:
        counts = asdict(row.counts) if row.counts else {}
        rows.append([getattr(row, name) for name in names] + [counts.get(name) for name in pairs])
    return _csv(report, [*names, *pairs], rows)


def prevalence_file(report: Report) -> bytes:
    """Return the rows of prevalence as CSV, with a column for each of `by`."""
    names = [
        field.name for field in fields(PrevalenceRow) if field.name not in ("domain", "merged")
    ]
    parts = list(dict.fromkeys(name for row in report.prevalence for name, _value in row.domain))
    rows = []
    for row in report.prevalence:
        domain = dict(row.domain)
        rows.append([getattr(row, name) for name in names] + [domain.get(name) for name in parts])
    # The attributes stand last, so that no attribute's name can take the place of a figure's.
    return _csv(report, [*names, *(f"by_{name}" for name in parts)], rows)


def scales_file(report: Report) -> bytes:
    """Return scales and places in an order, overall, by group and by topic, as CSV.

    `quantity` is the mean of a scale, the share above `cut`, or a position (see `PositionRow`).
    """
    rows: list[dict[str, Any]] = []
    for row in report.prevalence:
        if row.quantity == "mean":
            rows.append(vars(row))
    for row in report.shares_above:
        rows.append(vars(row) | {"quantity": "share_above"})
    for place in report.positions:
        dimension, topic = place.topic or (None, None)
        named = {"quantity": "position", "topic_dimension": dimension, "topic": topic}
        rows.append(vars(place) | named | {"corrected": place.position})
    parts = list(dict.fromkeys(name for row in rows for name, _value in row["domain"]))
    cells = [
        [row.get(name) for name in OF_SCALES] + [dict(row["domain"]).get(name) for name in parts]
        for row in rows
    ]
    return _csv(report, [*OF_SCALES, *(f"by_{name}" for name in parts)], cells)


def evidence_file(report: Report) -> bytes:
    """Return how quotations were found, the machine's beside those that people marked, as CSV.

    First of all, then by language, then by code: what a row is not about is empty.
    """
    found = as_json(report)["evidence"]
    people, languages, codes = (found.pop(name) for name in ("people", "by_language", "by_code"))
    by_people = people.pop("by_language")
    names, none = list(found), dict.fromkeys(people)
    rows: list[tuple[Any, ...]] = [(None, None, None, found, people)]
    rows += [
        (language, None, None, languages.get(language, none), by_people.get(language, none))
        for language in report.languages
    ]
    rows += [(None, row["dimension"], row["code"], row["machine"], row["people"]) for row in codes]
    heads = ["language", "dimension", "code", *names, *(f"people_{name}" for name in names)]
    return _csv(
        report, heads, [[*about, *own.values(), *other.values()] for *about, own, other in rows]
    )


def document_file(report: Report) -> bytes:
    """Return the report as a DOCX document with tables and pictures."""
    from docx import Document  # slow to load, and only needed here

    shown = page(report, by=report.by)
    document = Document()
    title = report.name
    if report.fictional:
        title = gettext("%(name)s (fictional)") % {"name": report.name}
    document.core_properties.title = clean(title)[:255]
    document.core_properties.author = "Concord"
    document.add_heading(clean(title), 0)
    for note in shown["notes"]:
        document.add_paragraph(clean(note), style="Intense Quote")
    _table(document, [], [[fact.name, fact.value] for fact in shown["facts"]])

    document.add_heading(gettext("Prevalence"), 1)
    _picture(document, shown["prevalence_picture"])
    heads = _prevalence_heads(gettext("Code"))
    lines: list[PrevalenceLine] = shown["prevalence"]
    _table(document, heads, [_prevalence_cells(line.label, line) for line in lines])
    for line in lines:
        paragraph = document.add_paragraph(style="List Bullet")
        paragraph.add_run(clean(line.label)).bold = True
        paragraph.add_run(clean(f": {line.sentence} {line.why}".rstrip()))
    for line in shown["legend"]:
        document.add_paragraph(line)
    for area in shown["areas"]:
        _area(document, area)

    document.add_heading(gettext("Agreement"), 1)
    for side in shown["agreement"]:
        document.add_heading(side["title"], 2)
        document.add_paragraph(side["explained"] if side["lines"] else side["empty"])
        if side["lines"]:
            _table(document, _agreement_heads(), [_agreement_cells(row) for row in side["lines"]])
    _picture(document, shown["agreement_picture"])

    document.add_heading(gettext("Evidence"), 1)
    heads = [gettext("Language"), gettext("Found"), *_evidence_heads()]
    _table(
        document,
        heads,
        [
            [
                line.language or gettext("all"),
                line.share,
                line.exact,
                line.folded,
                line.fuzzy,
                line.interviewer,
                line.missing,
                line.without,
            ]
            for line in shown["evidence"]
        ],
    )
    for section in [*sections(report), *checklists(report)]:
        _section(document, section)
    file = io.BytesIO()
    document.save(file)
    return undated(file)


def undated(file: io.BytesIO) -> bytes:
    """Return a zip file with the same parts and no times, so that the same is the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as made, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in made.namelist():
            archive.writestr(zipfile.ZipInfo(name), made.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def record_file(report: Report) -> bytes:
    """Return the design record, from which `manage.py report --record` makes the same report."""
    text = json.dumps(design_record(report), ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode()


def rows_file(*path: str) -> Callable[[Report], bytes]:
    """Return what makes a table of the rows at `path` of the JSON, nested parts as JSON."""

    def made(report: Report) -> bytes:
        rows: Any = as_json(report)
        for name in path:
            rows = rows[name]
        heads = list(dict.fromkeys(head for row in rows for head in row))
        cells = [
            [
                json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
                for value in (row.get(head) for head in heads)
            ]
            for row in rows
        ]
        return _csv(report, heads, cells)

    return made


FILES: dict[str, Callable[[Report], bytes]] = {
    "report.html": html_file,
    "report.docx": document_file,
    "report.json": json_file,
    "agreement.csv": agreement_file,
    "prevalence.csv": prevalence_file,
    "scales.csv": scales_file,
    "evidence.csv": evidence_file,
    "accuracy.csv": rows_file("machine", "accuracy"),
    "differences.csv": rows_file("differences"),
    "error_tests.csv": rows_file("machine", "error_tests"),
    "calibration.csv": rows_file("machine", "calibration"),
    "replacing.csv": rows_file("machine", "replacing"),
    "together.csv": rows_file("together", "pairs"),
    "scales_by_code.csv": rows_file("together", "among"),
    "design.json": record_file,
}
"""Every file of the report by its name, and what makes it."""


def clean(text: str) -> str:
    """Return `text` without the characters that a document cannot hold.

    >>> clean("fine\\x00")
    'fine'
    """
    return FORBIDDEN.sub("", text)


def _csv(report: Report, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as CSV; a fictional study says so in every row, wherever it is copied to."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    mark = ["fictional"] if report.fictional else []
    writer.writerow([no_formula(head) for head in [*heads, *mark]])
    for row in rows:
        cells = [None if isinstance(cell, float) and cell != cell else cell for cell in row]
        cells = [no_formula(cell) if isinstance(cell, str) else cell for cell in cells]
        writer.writerow(cells + [True for _head in mark])
    return text.getvalue().encode()


def _section(document: Any, section: Section) -> None:
    """Write a section: its sentences, its picture, its table."""
    document.add_heading(clean(section.title), 1)
    for sentence in section.sentences:
        text = unescape(strip_tags(sentence)) if isinstance(sentence, SafeString) else sentence
        document.add_paragraph(clean(text))
    if section.picture:
        _picture(document, section.picture)
    if section.rows:
        _table(document, list(section.heads), [list(row) for row in section.rows])


def _area(document: Any, area: dict[str, Any]) -> None:
    """Add the figures by one attribute, or say where they are when they are too many to print."""
    document.add_heading(area["title"], 2)
    lines = sum(len(code["lines"]) for code in area["codes"])
    if lines > MOST_LINES:
        document.add_paragraph(
            ngettext(
                "%(count)d figure stands in prevalence.csv.",
                "%(count)d figures stand in prevalence.csv.",
                lines,
            )
            % {"count": lines}
        )
        return
    for code in area["codes"]:
        document.add_heading(clean(f"{code['label']} ({code['dimension']})"), 3)
        _picture(document, code["picture"])
        rows = [_prevalence_cells(line.domain, line) for line in code["lines"]]
        _table(document, _prevalence_heads(area["title"]), rows)


def _prevalence_heads(first: str) -> list[str]:
    return [
        first,
        gettext("Corrected"),
        gettext("95 % interval"),
        gettext("Grade"),
        gettext("Machine alone"),
        gettext("People alone"),
        gettext("Reviewed"),
        gettext("Positive"),
    ]


def _prevalence_cells(first: str, line: PrevalenceLine) -> list[str]:
    return [
        first,
        line.estimate,
        line.interval,
        line.grade,
        line.machine,
        line.human,
        line.reviewed,
        line.positives,
    ]


def _agreement_heads() -> list[str]:
    return [
        gettext("Code"),
        gettext("Alpha"),
        gettext("95 % interval"),
        gettext("What it allows"),
        gettext("Segments"),
        gettext("Positive codings"),
        gettext("Percent"),
        gettext("Kappa"),
        "AC1",
        gettext("Counts"),
    ]


def _agreement_cells(line: AgreementLine) -> list[str]:
    return [
        line.label,
        line.estimate,
        line.interval,
        line.verdict,
        line.units,
        line.positives,
        line.percent,
        line.kappa,
        line.ac1,
        line.counts,
    ]


def _evidence_heads() -> list[str]:
    return [
        gettext("word for word"),
        gettext("but for spaces, quotes, dashes"),
        gettext("nearly: needs review"),
        gettext("in the interviewer’s words"),
        gettext("not found"),
        gettext("codes without a quotation"),
    ]


def _table(document: Any, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Add a table, the heads of which repeat on every page."""
    from docx.oxml import OxmlElement
    from docx.shared import Pt

    if not rows:
        return
    table = document.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
    for number, cells in enumerate([heads, *rows] if heads else rows):
        # One look at the row's cells: asking for each again is slow in long tables.
        row = table.add_row()
        for cell, text in zip(row.cells, cells, strict=True):
            run = cell.paragraphs[0].add_run(clean(text))
            run.font.size = Pt(8)
            run.bold = bool(heads) and number == 0
        if heads and number == 0:
            row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def _picture(document: Any, svg: str) -> None:
    from docx.shared import Cm

    if svg:
        document.add_picture(io.BytesIO(png(svg)), width=Cm(16))
