"""How groups differ, in words and small multiples: scales, shares of codes, places in an order."""

import math
from collections.abc import Sequence

from django.utils.translation import gettext as _

from reviews.pictures import Estimate, Picture, forest, panels
from reviews.positions import PositionRow
from reviews.prevalence import PrevalenceRow
from reviews.reports import Report
from reviews.together_wording import Drawing, Table, scale_table
from reviews.wording import (
    MOST_ROWS,
    count,
    domain_text,
    interval,
    not_validated,
    row_label,
    rows_by,
    share,
)

MOST_PANELS = 12
"""Codes beside each other above which a picture shows no profile any more."""


def group_tables(made: Report) -> list[Table]:
    """Return scales, profiles and places by each attribute that `made` is broken down by.

    Their names number the attributes, so that each has an address.
    """
    tables = []
    for place, by in enumerate(made.by, 1):
        if scales := scale_table(made, by):
            tables.append(_renamed(scales, f"scales-{place}"))
        tables += profiles(made, by, place)
        tables += positions_by(made, by, place)
    return [*tables, *topics_in_order(made)]


def profiles(made: Report, by: str, place: int) -> list[Table]:
    """Return a picture for each dimension: the share of each code in each group, side by side.

    The numbers stand in the tables by attribute, so that these have none.
    """
    found: dict[str, list[PrevalenceRow]] = {}
    for (dimension, _code), rows in rows_by(made, by).items():
        found.setdefault(dimension, []).extend(row for row in rows if row.quantity == "share")
    tables = []
    for dimension, rows in found.items():
        codes = list(dict.fromkeys(row.code for row in rows))
        groups = list(dict.fromkeys(domain_text(row) for row in rows))
        if not 1 < len(codes) <= MOST_PANELS or not 1 < len(groups) <= MOST_ROWS:
            continue
        label = made.label(dimension, None)
        title = _("%(dimension)s by language") if by == "language" else _("%(dimension)s by %(by)s")
        tables.append(
            Table(
                f"profile-{place}-{dimension}",
                title % {"dimension": label, "by": by},
                _(
                    "Corrected share of each code in each group, with its 95 % interval; grey: not "
                    "validated by people. The numbers are in the tables above."
                ),
                (),
                (),
                draw=_profile_drawn(rows, groups, made),
            )
        )
    return tables


def positions_by(made: Report, by: str, place: int) -> list[Table]:
    """Return where the groups of `by` stand in each ordered dimension."""
    tables = []
    for dimension, rows in _of_dimensions(made, by).items():
        label = made.label(dimension, None)
        title = _("%(dimension)s by language") if by == "language" else _("%(dimension)s by %(by)s")
        tables.append(
            Table(
                f"positions-{place}-{dimension}",
                _("%(title)s, in its order") % {"title": title % {"dimension": label, "by": by}},
                _explained(made, dimension),
                _heads(_("Group")),
                tuple((_grey(row), _cells(_group(row), row)) for row in rows),
                draw=_positions_drawn([(_group(row), row) for row in rows]),
            )
        )
    return tables


def topics_in_order(made: Report) -> list[Table]:
    """Return the topics from the first code of each ordered dimension to its last."""
    tables = []
    for dimension, rows in _of_dimensions(made, "").items():
        first, last = _ends(made, dimension)
        named = [(made.label(*row.topic), row) for row in rows if row.topic]
        tables.append(
            Table(
                f"topics-{dimension}",
                _("Topics from “%(first)s” to “%(last)s”") % {"first": first, "last": last},
                _explained(made, dimension),
                _heads(_("Code")),
                tuple((_grey(row), _cells(label, row)) for label, row in named),
                draw=_positions_drawn(named),
            )
        )
    return tables


def _of_dimensions(made: Report, by: str) -> dict[str, list[PositionRow]]:
    found: dict[str, list[PositionRow]] = {}
    for row in made.positions:
        if "*".join(name for name, _value in row.domain) == by and (bool(by) or row.topic):
            found.setdefault(row.dimension, []).append(row)
    return found


def _ends(made: Report, dimension: str) -> tuple[str, str]:
    codes = [name.label for name in made.names if name.dimension == dimension and name.code]
    return codes[0], codes[-1]


def _explained(made: Report, dimension: str) -> str:
    first, last = _ends(made, dimension)
    return _(
        "The chance that a segment here stands further towards “%(last)s” (from “%(first)s”) than "
        "one drawn from all, ties counted half: 50 %% is as all segments together. Only the order "
        "of the codes counts (ridit, Bross 1958)."
    ) % {"first": first, "last": last}


def _heads(first: str) -> tuple[str, ...]:
    return (
        first,
        _("Further on"),
        _("95 % interval"),
        _("Machine alone"),
        _("Reviewed"),
        _("Grade"),
        _("Remarks"),
    )


def _cells(label: str, row: PositionRow) -> tuple[str, ...]:
    why = {
        "insufficient": _("Too few human codings to compare with others."),
        "machine_only": _("The machine alone: nobody has checked it here."),
        "model_assisted": _(
            "Model-assisted, not validated: nobody coded here, so it leans on other groups."
        ),
        "no_population": _("There is nothing here to count."),
    }
    return (
        label,
        share(row.position),
        interval(row.low, row.high, share),
        share(row.machine),
        count(row.reviewed),
        row.grade,
        why.get(row.status, ""),
    )


def _grey(row: PositionRow) -> bool:
    return row.grade not in ("A", "B")


def _group(row: PositionRow) -> str:
    return ", ".join(value or _("not stated") for _name, value in row.domain)


def _positions_drawn(rows: Sequence[tuple[str, PositionRow]]) -> Drawing | None:
    if len(rows) > MOST_ROWS:
        return None
    shown = [
        Estimate(
            label, row.position, row.low, row.high, machine=row.machine, validated=not _grey(row)
        )
        for label, row in rows
    ]
    return lambda: forest(shown)


def _profile_drawn(rows: Sequence[PrevalenceRow], groups: Sequence[str], made: Report) -> Drawing:
    found = {(row.code, domain_text(row)): row for row in rows}
    codes = list(dict.fromkeys((row.code, row_label(row, made)) for row in rows))
    most = max(
        (end for row in rows for end in (row.high, row.corrected, row.machine) if end == end),
        default=1.0,
    )

    def drawn() -> Picture:
        return panels(
            [
                (label, [_estimate(group, found.get((code, group))) for group in groups], 0.0, most)
                for code, label in codes
            ],
            share=True,
        )

    return drawn


def _estimate(group: str, row: PrevalenceRow | None) -> Estimate:
    if row is None:
        return Estimate(group, math.nan, math.nan, math.nan)
    value = row.machine if math.isnan(row.corrected) else row.corrected
    return Estimate(group, value, row.low, row.high, validated=not not_validated(row))


def _renamed(table: Table, name: str) -> Table:
    return Table(name, table.title, table.said, table.heads, table.rows, table.names, table.draw)
