"""The trail of a study, for its leads: page and files."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from studies.access import study_or_404
from studies.audit import Action, named
from studies.models import Event, Role, Study
from studies.views import whole_numbers

ROWS = 50
COLUMNS = ("number", "at", "person", "action", "subject", "before", "after")
KINDS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
# A cell that begins so is run as a formula by spreadsheets.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


@require_safe
def trail(request: HttpRequest, slug: str) -> HttpResponse:
    """Who did what, the latest first, by person and action."""
    study = study_or_404(request.user, slug, Role.LEAD)
    asked = {key: request.GET.get(key, "").replace("\x00", "") for key in ("name", "action")}
    rows = chosen(study, asked).order_by("-pk")
    before = whole_numbers([request.GET.get("before", "")])
    if before:
        rows = rows.filter(pk__lt=before[0])
    found = list(rows[: ROWS + 1])
    labels = dict(Action.choices)
    return render(
        request,
        "studies/trail.html",
        {
            "study": study,
            "role": Role.LEAD,
            "asked": asked,
            "rows": [
                (
                    row,
                    labels.get(row.action, row.action),
                    facts(row.action, row.before),
                    facts(row.action, row.after),
                )
                for row in found[:ROWS]
            ],
            "next": found[ROWS - 1].pk if len(found) > ROWS else None,
            "later": bool(before),
            "names": names(study, "name"),
            "actions": [(key, labels.get(key, key)) for key in names(study, "action")],
            "files": list(KINDS),
        },
    )


@require_safe
def trail_file(request: HttpRequest, slug: str, kind: str) -> StreamingHttpResponse:
    """The trail as a file, the oldest first, as much of it as is asked for."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if kind not in KINDS:
        raise Http404
    asked = {key: request.GET.get(key, "").replace("\x00", "") for key in ("name", "action")}
    rows = chosen(study, asked).order_by("pk")
    lines = as_csv(rows) if kind == "csv" else as_jsonl(rows)
    name = f"{slugify(study.slug)}-trail.{kind}"
    return StreamingHttpResponse(
        lines,
        content_type=KINDS[kind],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def chosen(study: Study, asked: dict[str, str]) -> "QuerySet[Event]":
    """Return the events of `study` by that name, with that action."""
    rows = study.events.all()
    if asked["name"]:
        rows = rows.filter(name=asked["name"] if asked["name"] != "-" else "")
    return rows.filter(action=asked["action"]) if asked["action"] else rows


def facts(action: str, value: Any) -> list[tuple[str, Any]]:
    """Return what an event says of before or after as names with their values; a bare value has no
    name. A template asked for `value.items` would find what was kept under the name “items”.
    """
    kept = value if isinstance(value, dict) else {} if value is None else {"": value}
    return [(named(action, name), in_words(one)) for name, one in kept.items()]


def in_words(value: Any) -> Any:
    """Return what is kept under a name as it is read."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def names(study: Study, field: str) -> list[str]:
    """Return what stands in `field` of the study's events, each once, sorted."""
    return sorted(study.events.order_by().values_list(field, flat=True).distinct())


def as_rows(events: "QuerySet[Event]") -> Iterator[tuple[Any, ...]]:
    """Yield the events by COLUMNS."""
    for one in events.iterator(chunk_size=1_000):
        yield (
            *(one.pk, one.at.isoformat(), one.name, one.action, one.subject),
            *(one.before, one.after),
        )


class _Echo:
    def write(self, line: str) -> str:
        return line


def as_csv(events: "QuerySet[Event]") -> Iterator[str]:
    """Yield a table's lines, with before and after as JSON, and nothing run as a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for number, *texts in as_rows(events):
        cells = [
            text
            if isinstance(text, str)
            else ""
            if text is None
            else json.dumps(text, ensure_ascii=False)
            for text in texts
        ]
        yield writer.writerow([number, *(f"'{c}" if c.startswith(FORMULA) else c for c in cells)])


def as_jsonl(events: "QuerySet[Event]") -> Iterator[str]:
    """Yield one JSON object a line."""
    for row in as_rows(events):
        yield json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n"
