"""What the pages say of a codebook and of what changed in it, in the reader's language."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from codebooks.crosswalks import Change, Crosswalk, Status, pieces
from codebooks.exchange import Book, CodeSpec, DimensionSpec
from codebooks.exchange.books import ORDERED, kind_named
from codebooks.models import Kind

STATUSES = {
    Status.NEW: gettext_lazy("added"),
    Status.GONE: gettext_lazy("gone"),
    Status.RENAMED: gettext_lazy("renamed"),
    Status.REWORDED: gettext_lazy("reworded"),
    Status.CHANGED: gettext_lazy("changed"),
}
FIELDS = {
    "language": gettext_lazy("Language"),
    "label": gettext_lazy("Label"),
    "key": gettext_lazy("Key"),
    "kind": gettext_lazy("Kind"),
    "question": gettext_lazy("Question"),
    "minimum": gettext_lazy("Lowest value"),
    "maximum": gettext_lazy("Highest value"),
    "low": gettext_lazy("What the lowest value means"),
    "high": gettext_lazy("What the highest value means"),
    "definition": gettext_lazy("Definition"),
    "include": gettext_lazy("Use when"),
    "exclude": gettext_lazy("Not when"),
    "parent": gettext_lazy("Under"),
    "color": gettext_lazy("Colour"),
    "example": gettext_lazy("Example"),
    "order": gettext_lazy("Order"),
    "example_order": gettext_lazy("Order of the examples"),
}
PLAIN = ("key", "minimum", "maximum", "color", "language", "kind")  # no text of any language


@dataclass(frozen=True)
class Mark:
    """One way in which something differs, and the class that colours it."""

    text: str
    state: str


@dataclass(frozen=True)
class ChangeLine:
    """One field that changed: its text in parts that are "same", "gone" or "new".

    `language` is whose words they are, `worded` says so where it is not the codebook's own.
    """

    name: str
    language: str
    worded: str
    parts: list[tuple[str, str]]
    plain: bool


@dataclass(frozen=True)
class CodeLine:
    code: CodeSpec
    language: str
    marks: list[Mark]
    changes: list[ChangeLine]


@dataclass(frozen=True)
class DimensionLine:
    dimension: DimensionSpec
    language: str
    kind: str
    marks: list[Mark]
    changes: list[ChangeLine]
    codes: list[CodeLine]
    untouched: str


def count_of_codes(count: int) -> str:
    return ngettext("%(count)d code", "%(count)d codes", count) % {"count": count}


def count_of_dimensions(count: int) -> str:
    return ngettext("%(count)d dimension", "%(count)d dimensions", count) % {"count": count}


def kind_text(written: str) -> str:
    """Return what a kind, as files write it, is called."""
    kind = str(Kind(kind_named(written) or Kind.MANY).label)
    return _("%(kind)s, in their order") % {"kind": kind} if written == ORDERED else kind


def held(book: Book) -> dict[str, object]:
    """Return what a page shows of a codebook that is not kept yet."""
    codes = sum(len(dimension.codes) for dimension in book.dimensions)
    scales = sum(dimension.kind == "scale" for dimension in book.dimensions)
    counts = [count_of_dimensions(len(book.dimensions)), count_of_codes(codes)]
    if scales:
        counts.append(
            ngettext("%(count)d scale", "%(count)d scales", scales) % {"count": scales},
        )
    return {
        "book": book,
        "counts": counts,
        "dimensions": [
            (one, kind_text(one.written), count_of_codes(len(one.codes)) if one.codes else "")
            for one in book.dimensions
        ],
    }


def crosswalk_page(found: Crosswalk) -> dict[str, object]:
    """Return what a page shows of what changed."""
    return {
        "same": found.same,
        "counts": counted(found),
        "changes": [change_line(one, found) for one in found.changes],
        "lines": [
            DimensionLine(
                dimension=one.spec,
                language=(found.after if one.after else found.before).language,
                kind=kind_text(one.spec.written),
                marks=marks(one.statuses),
                changes=[change_line(change, found) for change in one.changes],
                codes=[
                    CodeLine(
                        code=code.spec,
                        language=(found.after if code.after else found.before).language,
                        marks=marks(code.statuses),
                        changes=[change_line(change, found) for change in code.changes],
                    )
                    for code in one.touched
                ],
                untouched=ngettext(
                    "%(count)d code stays as it is.",
                    "%(count)d codes stay as they are.",
                    one.untouched,
                )
                % {"count": one.untouched}
                if one.untouched
                else "",
            )
            for one in found.touched
        ],
        "mapping": found.mapping(),
    }


def counted(found: Crosswalk) -> list[tuple[Mark, str, str]]:
    """Return for each way of changing how many dimensions and codes did; "" for none."""
    dimensions, codes = found.counts()
    return [
        (
            mark(status),
            count_of_codes(codes[status]) if codes[status] else "",
            count_of_dimensions(dimensions[status]) if dimensions[status] else "",
        )
        for status in Status
        if codes[status] or dimensions[status]
    ]


def marks(statuses: tuple[Status, ...]) -> list[Mark]:
    return [mark(status) for status in statuses]


def mark(status: Status) -> Mark:
    """Return a status in words; what is gone or goes by another key is for a person to look at."""
    state = {Status.NEW: "good", Status.GONE: "look"}.get(status, "")
    return Mark(str(STATUSES[status]), state)


def change_line(change: Change, found: Crosswalk) -> ChangeLine:
    """Return one change in words."""
    before, after = change.before, change.after
    if change.field == "kind":
        before, after = kind_text(before), kind_text(after)
    whole = change.field in PLAIN or change.field in ("parent", "order", "label")
    parts = [("gone", before), ("new", after)] if whole else pieces(before, after)
    return ChangeLine(
        name=str(FIELDS[change.field]),
        language=change.language or found.after.language,
        worded=change.language,
        parts=[(piece, text) for piece, text in parts if text],
        plain=change.field in PLAIN,
    )
