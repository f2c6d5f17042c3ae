"""What a methodologist asks beyond the headline, worded as sections of sentences, table, picture.

The page, the HTML file and the document show the same sections. Names of codes and other words of
the study carry the language of the codebook; the rest is in the reader’s.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from django.utils.translation import gettext as _

from reviews.accuracy import AccuracyRow, CalibrationRow, ErrorTestRow
from reviews.agreement import HUMANS
from reviews.checklists import COREQ, SRQR, checklist
from reviews.group_wording import group_tables
from reviews.methods import methods, unfit
from reviews.pictures import Cell, Estimate, forest, heat_map
from reviews.prevalence import PrevalenceRow
from reviews.reports import Report
from reviews.together_wording import (
    MOST_SAID,
    Table,
    about_pairs,
    among_tables,
    pair_table,
    sentences,
    short_pairs,
)
from reviews.wording import coefficient, count, drawn, interval, p_value, share

NO_NUMBER = "–"
MOST_CELLS = 800
"""Cells above which a heat map cannot be read."""
MOST_ROWS = 60
"""Rows above which a table leaves the rest to the files."""


@dataclass(frozen=True)
class Section:
    """One question and what the study says to it; `names` is how many columns hold words of data.

    `name` is its anchor in the page and the name of its picture; with `remarks` the last column
    holds words, too. Sentences are text or markup.
    """

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    names: int = 1
    picture: str = ""
    more: int = field(default=0)
    remarks: bool = False


def sections(report: Report, *, pictures: bool = True) -> list[Section]:
    """Return the sections of `report` that have something to say."""
    made = [
        Section("methods", _("Methods"), tuple(methods(report)), names=0),
        _unfit(report),
        _accuracy(report),
        _correction(report, pictures),
        *_confusion(report, pictures),
        _calibration(report, pictures),
        _error_tests(report),
        _replacing(report),
        _differences(report),
        *_together(report, pictures),
        *_by_group(report, pictures),
        _pairs(report),
        _discussion(report),
        _passages(report),
    ]
    return [one for one in made if one and (one.rows or one.sentences)]


def checklists(report: Report) -> list[Section]:
    """Return COREQ and SRQR, filled in where the system knows."""
    heads = (_("No."), _("Item"), _("What this study says"))
    return [
        Section(
            name,
            title,
            (_("Filled in where Concord knows; the rest is for the researcher."),),
            heads,
            tuple(checklist(items, report)),
            names=0,
        )
        for name, title, items in (
            ("coreq", _("COREQ: reporting interviews and focus groups (Tong et al. 2007)"), COREQ),
            ("srqr", _("SRQR: reporting qualitative research (O’Brien et al. 2014)"), SRQR),
        )
    ]


def _unfit(report: Report) -> Section:
    rows = tuple((report.label(row.dimension, row.code), why) for row, why in unfit(report))
    return Section(
        "unfit",
        _("Codes not to be used for prevalence"),
        () if rows else (_("None: every code met what this report asks for."),),
        (_("Code"), _("Why")) if rows else (),
        rows,
        names=2,
    )


def _accuracy(report: Report) -> Section | None:
    rows = [row for row in report.accuracy if not row.domain]
    if not rows:
        return None
    return Section(
        "accuracy",
        _("The machine against people"),
        (
            _(
                "Precision: of what the machine gave the code, the share that people confirm. "
                "Recall: of what people gave it, the share that the machine found. Weighted by "
                "design; 95 % intervals from Beta draws (Jeffreys)."
            ),
        ),
        (
            _("Code"),
            _("Reviewed"),
            _("Precision"),
            _("95 % interval"),
            _("Recall"),
            _("95 % interval"),
            _("Specificity"),
            "F1",
            _("95 % interval"),
        ),
        tuple(_accuracy_cells(row, report) for row in rows),
    )


def _accuracy_cells(row: AccuracyRow, report: Report) -> tuple[str, ...]:
    return (
        report.label(row.dimension, row.code),
        count(row.reviewed),
        share(row.precision),
        interval(row.precision_low, row.precision_high, share),
        share(row.recall),
        interval(row.recall_low, row.recall_high, share),
        share(row.specificity),
        coefficient(row.f1),
        interval(row.f1_low, row.f1_high, coefficient),
    )


def _correction(report: Report, pictures: bool) -> Section | None:
    """Return how far the machine is off, code by code and language by language."""
    rows = [
        row
        for row in report.prevalence
        if row.quantity == "share"
        and row.code is not None
        and [name for name, _value in row.domain] == ["language"]
        and not math.isnan(row.corrected - row.machine)
        and row.method in ("cells", "hajek")
    ]
    if not rows:
        return None
    cells = [
        Cell(
            report.label(row.dimension, row.code),
            dict(row.domain)["language"],
            100 * (row.corrected - row.machine),
        )
        for row in rows
    ]
    shown = sorted(rows, key=lambda row: -abs(row.corrected - row.machine))
    return Section(
        "correction",
        _("What people’s answers change, by language"),
        (
            _(
                "Points by which the corrected share lies above or below the machine’s. Only "
                "languages in which people answered."
            ),
        ),
        (_("Code"), _("Language"), _("Machine alone"), _("Corrected"), _("95 % interval")),
        tuple(_shift_cells(row, report) for row in shown[:MOST_ROWS]),
        names=2,
        picture=drawn(
            report, "correction", lambda: heat_map(cells, legend=_("points"), diverging=True)
        )
        if pictures and len(cells) <= MOST_CELLS
        else "",
        more=max(0, len(shown) - MOST_ROWS),
    )


def _shift_cells(row: PrevalenceRow, report: Report) -> tuple[str, ...]:
    return (
        report.label(row.dimension, row.code),
        dict(row.domain)["language"],
        share(row.machine),
        share(row.corrected),
        interval(row.low, row.high, share),
    )


def _confusion(report: Report, pictures: bool) -> Iterator[Section]:
    for row in report.confusion:
        one = row.kind == "one"
        names = [
            report.label(row.dimension, code) if code else _("none applies") for code in row.codes
        ]
        said = [*names, _("not coded")] if len(row.counts) > len(names) else names
        cells = [
            Cell(machine, people, 100 * value)
            for machine, values in zip(said, row.shares, strict=False)
            for people, value in zip(names, values, strict=False)
        ]
        if not row.reviewed or not any(cell.value > 0 for cell in cells):
            continue
        label = report.label(row.dimension, None)
        yield Section(
            f"confusion-{row.dimension}",
            _("What is taken for what: %(dimension)s") % {"dimension": label},
            (
                _("Rows: what the machine said; columns: what people said; per cent of segments.")
                if one
                else _(
                    "Row A, column B: the machine alone says A and people alone say B; on the "
                    "diagonal both say the code; per cent of segments."
                ),
            ),
            (_("Machine"), *names),
            tuple(
                (machine, *(share(value) for value in values))
                for machine, values in zip(said, row.shares, strict=False)
            ),
            picture=drawn(
                report, f"confusion-{row.dimension}", partial(heat_map, cells, legend="%")
            )
            if pictures and len(cells) <= MOST_CELLS
            else "",
        )


def _calibration(report: Report, pictures: bool) -> Section | None:
    stated = [row for row in report.calibration if row.status == "ok"]
    if not report.calibration:
        return None
    if not stated:
        return Section(
            "calibration",
            _("Is the machine right as often as it is sure?"),
            (_("The machine states no confidence, or too little of it was reviewed."),),
        )
    return Section(
        "calibration",
        _("Is the machine right as often as it is sure?"),
        (
            _(
                "Expected calibration error: how far its stated confidence lies from its share of "
                "right answers, on average. Confidence only helps to draw samples: no estimate "
                "rests on it."
            ),
            *_bins_explained(stated),
        ),
        (_("Code"), _("Stated"), _("Calibration error"), _("Brier score")),
        tuple(
            (
                report.label(row.dimension, row.code),
                count(row.stated),
                share(row.error),
                coefficient(row.brier),
            )
            for row in stated
        ),
        picture=_bins_drawn(stated, report) if pictures else "",
    )


def _bins_explained(rows: Sequence[CalibrationRow]) -> Iterator[str]:
    if any(row.code is None for row in rows):
        yield _(
            "The picture: what was right among codes stated with a confidence of so many per cent, "
            "with its 95 % interval; the cross is what was stated on average."
        )


def _bins_drawn(rows: Sequence[CalibrationRow], report: Report) -> str:
    """Return the reliability diagram of every dimension as a whole."""
    dots = [
        Estimate(
            f"{report.label(row.dimension, None)}: {100 * one.low:.0f}–{100 * one.high:.0f}",
            one.right,
            one.right_low,
            one.right_high,
            machine=one.confidence,
        )
        for row in rows
        if row.code is None
        for one in row.bins
    ]
    return forest(dots) if dots and len(dots) <= MOST_ROWS else ""


def _error_tests(report: Report) -> Section | None:
    tested = [row for row in report.error_tests if not math.isnan(row.p_value)]
    if not tested:
        return None
    shown = sorted(tested, key=lambda row: (row.p_holm, row.p_value))[:MOST_ROWS]
    return Section(
        "error-tests",
        _("Does the machine err alike in all groups?"),
        (
            _(
                "Permutation within strata, p adjusted by Holm over codes. A large p does not "
                "show that there is no difference: what is shown is that none is larger than the "
                "bound."
            ),
        ),
        (
            _("Code"),
            _("Groups"),
            _("Errors among"),
            _("Reviewed"),
            _("Widest difference"),
            _("Group that differs most"),
            _("No difference larger than"),
            _("p (Holm)"),
        ),
        tuple(_error_cells(row, report) for row in shown),
        more=len(tested) - len(shown),
    )


def _error_cells(row: ErrorTestRow, report: Report) -> tuple[str, ...]:
    where = _("the machine’s yes") if row.cell == "machine-positive" else _("the machine’s no")
    return (
        report.label(row.dimension, row.code),
        _("language") if row.by == "language" else row.by,
        where,
        count(row.reviewed),
        share(row.difference),
        row.widest or NO_NUMBER,
        share(row.bound),
        p_value(row.p_holm),
    )


def _replacing(report: Report) -> Section | None:
    if not report.replacing:
        return None
    title = _("May the machine stand in for a coder?")
    tested = [row for row in report.replacing if row.status in ("ok", "baseline_passes")]
    if not tested:
        why = _("Not tested: it takes three people who coded thirty segments each, with others.")
        return Section("replacing", title, (why,))
    return Section(
        "replacing",
        title,
        (
            _(
                "The alternative annotator test (Calderon et al. 2025): it passes from a winning "
                "rate of .5. Where a coder that reads nothing passes too, it tells nothing."
            ),
        ),
        (
            _("Code"),
            _("Coders"),
            _("Winning rate"),
            _("Advantage"),
            _("Who never says the code"),
            _("Who always says the usual"),
            _("Verdict"),
        ),
        tuple(
            (
                report.label(row.dimension, row.code),
                count(len(row.coders)),
                coefficient(row.winning_rate),
                coefficient(row.advantage),
                coefficient(row.never_winning_rate),
                coefficient(row.majority_winning_rate),
                _("tells nothing: a coder that reads nothing passes")
                if row.status == "baseline_passes"
                else _("passes")
                if row.passes
                else _("does not pass"),
            )
            for row in tested
        ),
    )


def _differences(report: Report) -> Section | None:
    found = [row for row in report.differences if not math.isnan(row.difference)]
    clear = [row for row in found if row.low_all > 0 or row.high_all < 0]
    if not found:
        return None
    shown = sorted(clear or found, key=lambda row: -abs(row.difference))[:MOST_ROWS]
    return Section(
        "differences",
        _("Differences between groups"),
        (
            _(
                "%(clear)s of %(all)s differences hold when all are looked at together (Sidak); "
                "those are shown first."
            )
            % {"clear": count(len(clear)), "all": count(len(found))},
        ),
        (_("Code"), _("Group"), _("Less"), _("Difference"), _("95 % interval"), _("All together")),
        tuple(
            (
                report.label(row.dimension, row.code),
                " · ".join(value for _name, value in row.first),
                " · ".join(value for _name, value in row.second),
                _put(row.difference, row.quantity),
                interval(row.low, row.high, share if row.quantity == "share" else coefficient),
                interval(
                    row.low_all, row.high_all, share if row.quantity == "share" else coefficient
                ),
            )
            for row in shown
        ),
        names=3,
        more=len(clear or found) - len(shown),
    )


def _by_group(report: Report, pictures: bool) -> Iterator[Section]:
    """Yield scales, shares and places in an order, by group and by topic, with small multiples."""
    for table in group_tables(report):
        picture = _drawn(report, table, pictures)
        if not picture and not table.rows:
            continue
        yield replace(_told(table, picture), names=table.names, remarks=True)


def _together(report: Report, pictures: bool) -> Iterator[Section]:
    """Return which codes go together, and how each scale stands among those with a code."""
    if report.together.pairs:
        table = pair_table(report)
        heads, rows = short_pairs(report)
        said = sentences(report)[:MOST_SAID]
        yield Section(
            table.name,
            table.title,
            (about_pairs(report), *said),
            heads,
            rows,
            names=2,
            picture=_drawn(report, table, pictures),
        )
    for table in among_tables(report):
        yield _told(table, _drawn(report, table, pictures))


def _told(table: Table, picture: str) -> Section:
    """Return `table` as a section, its first rows only where there are many."""
    return Section(
        table.name,
        table.title,
        (table.said,),
        table.heads,
        tuple(cells for _grey, cells in table.rows[:MOST_ROWS]),
        picture=picture,
        more=max(0, len(table.rows) - MOST_ROWS),
    )


def _drawn(report: Report, table: Table, pictures: bool) -> str:
    return drawn(report, table.name, table.draw) if pictures and table.draw else ""


def _pairs(report: Report) -> Section | None:
    rows = [row for row in report.agreement_pairs if row.code and row.units]
    if not rows:
        return None
    return Section(
        "pairs",
        _("Agreement, pair by pair"),
        (),
        (_("Code"), _("Coders"), _("Segments"), "alpha", _("percent")),
        tuple(
            (
                report.label(row.dimension, row.code),
                " · ".join(row.pair or ()),
                count(row.units),
                coefficient(row.estimate),
                share(row.percent),
            )
            for row in rows[:MOST_ROWS]
        ),
        names=2,
        more=max(0, len(rows) - MOST_ROWS),
    )


def _discussion(report: Report) -> Section | None:
    rows = [row for row in report.discussion if row.ruled]
    if not rows:
        return None
    return Section(
        "discussion",
        _("Agreement after discussion"),
        (
            _(
                "After disagreements were settled. This is no reliability: it says how far people "
                "came together, and it enters no other figure."
            ),
        ),
        (_("Code"), _("Settled"), _("alpha before"), _("alpha after")),
        tuple(
            (
                report.label(row.dimension, row.code),
                count(row.ruled),
                coefficient(row.before),
                coefficient(row.after),
            )
            for row in rows
        ),
    )


def _passages(report: Report) -> Section | None:
    rows = [row for row in report.passages if row.language is None and row.code]
    if not rows:
        return None
    return Section(
        "passages",
        _("Agreement on passages"),
        (_("Do coders point at the same words? u-alpha (Krippendorff et al. 2016) and overlap."),),
        (_("Code"), _("Between"), _("Texts"), "u-alpha", _("95 % interval"), _("Overlap")),
        tuple(
            (
                report.label(row.dimension, row.code),
                _("people") if row.between == HUMANS else _("machine and people"),
                count(row.texts),
                coefficient(row.estimate),
                interval(row.low, row.high, coefficient),
                share(row.overlap),
            )
            for row in rows[:MOST_ROWS]
        ),
        more=max(0, len(rows) - MOST_ROWS),
    )


def _put(value: float, quantity: str) -> str:
    return share(value) if quantity == "share" else coefficient(value)
