"""Pages that begin a study and bring interviews into it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from studies import uploads
from studies.access import may_make_studies, study_or_404
from studies.audit import name_of
from studies.files import Columns, Table
from studies.imports import Imported, Row
from studies.models import LanguageSource, Role, Study, Unit, Upload
from studies.people import create_study, free_slug
from studies.people_views import signed_in
from studies.problems import Problem
from studies.problems import _ as mark
from studies.sources import KINDS

SHOWN = 20  # rows left out, and remarks, that a page names
MOST_COLUMNS = 300  # of a table that a page asks about
BESIDE = 1 << 20  # bytes of a form beside its files


class NewStudy(forms.Form):
    """What somebody says of a new study; the step checks what it means."""

    name = forms.CharField(required=False)
    slug = forms.CharField(required=False)
    unit = forms.CharField(required=False, initial=Unit.INTERVIEW.value)
    evidence_required = forms.BooleanField(required=False)


@dataclass(frozen=True)
class Column:
    """A column of the tables that were sent, and what it is taken for."""

    name: str
    example: str
    use: str


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_study(request: HttpRequest) -> HttpResponse:
    """Make a study, which whoever makes it leads."""
    if not may_make_studies(request.user):
        raise Http404
    person = signed_in(request)
    form = NewStudy(request.POST if request.method == "POST" else None)
    problem = ""
    if request.method == "POST":
        try:
            if not form.is_valid():
                raise Problem(mark("These words hold characters that can’t be kept."))
            said = form.cleaned_data
            study, _created = create_study(
                said["slug"] or free_slug(said["name"], person),
                said["name"],
                unit=said["unit"],
                evidence_required=said["evidence_required"],
                lead=person,
            )
        except Problem as found:
            problem = found.sentence(_)
        else:
            made = _("The study “%(name)s” is made, and you lead it.")
            messages.success(request, made % {"name": study.name})
            return redirect("study", study.slug)
    return render(
        request,
        "studies/new_study.html",
        {"form": form, "units": Unit.choices, "problem": problem},
        status=422 if problem else 200,
    )


@csrf_exempt  # `received` checks; before it, nothing of what is sent is read, however much it is
@require_http_methods(["GET", "HEAD", "POST"])
def add_transcripts(request: HttpRequest, slug: str) -> HttpResponse:
    """Take files with interviews, to be looked at before they are imported."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if request.method == "POST" and length_of(request) > uploads.most_bytes() + BESIDE:
        return sending(request, study, uploads.too_large(study), 413)
    try:
        return received(request, study)
    except TooManyFilesSent:
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        said = mark("At most %(most)s files can be sent at once: pack them into one zip.")
        return sending(request, study, Problem(said, most=most), 422)


@csrf_protect
def received(request: HttpRequest, study: Study) -> HttpResponse:
    """Keep the files that were sent, or ask for some."""
    if request.method != "POST":
        return sending(request, study)
    try:
        upload = uploads.keep(study, signed_in(request), request.FILES.getlist("file"))
    except Problem as problem:
        return sending(request, study, problem, 422)
    return redirect("upload", study.slug, upload.key)


def length_of(request: HttpRequest) -> int:
    """Return how many bytes a request says that it sends."""
    said = request.headers.get("Content-Length", "")
    return int(said) if said.isascii() and said.isdigit() else 0


def sending(
    request: HttpRequest, study: Study, problem: Problem | None = None, status: int = 200
) -> HttpResponse:
    """Answer with the page on which files are chosen."""
    if status == 200:
        uploads.clear()
    return render(
        request,
        "studies/add_transcripts.html",
        {
            "study": study,
            "role": Role.LEAD,
            "problem": problem.sentence(_) if problem else "",
            "most": settings.CONCORD_UPLOAD_MB,
            "most_files": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
            "kinds": [f".{kind}" for kind in KINDS],
            "waiting": uploads.unfinished(study, signed_in(request)),
        },
        status=status,
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def upload_page(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Show what was sent: what would be imported, how far the import is, or what it did."""
    study = study_or_404(request.user, slug, Role.LEAD)
    upload = get_object_or_404(study.uploads.select_related("person"), key=key)
    if request.method == "POST":
        return told(request, study, upload)
    imported = uploads.imported_of(upload)
    if imported is None:
        return looked_at(request, study, upload)
    return render(
        request,
        "studies/upload.html",
        {
            "study": study,
            "role": Role.LEAD,
            "upload": upload,
            "whose": whose(request, upload),
            "imported": imported,
            "per_cent": round(100 * imported.share),
            "unsearchable": uploads.unsearchable(upload) if upload.finished_at else 0,
            "languages": imported.languages.most_common(),
            **rows_of(imported),
        },
    )


def whose(request: HttpRequest, upload: Upload) -> str:
    """Return the name of the other lead who sent `upload`, "" if it is one's own."""
    own = upload.person == request.user
    return "" if own else name_of(upload.study, upload.person)


def told(request: HttpRequest, study: Study, upload: Upload) -> HttpResponse:
    """Do what a button of the page says, and lead to what there is to see then."""
    what = request.POST.get("what", "")
    try:
        if what == "discard":
            begun = uploads.imported_of(upload) is not None
            uploads.discard(upload)
            stopped = _("The import is stopped; what was imported is kept.")
            gone = _("The files are not kept any more.")
            messages.success(request, stopped if begun else gone)
            return redirect("transcripts", study.slug)
        if what in ("look", "import") and uploads.imported_of(upload) is None:
            try:
                columns = columns_in(request.POST, uploads.tables_of(upload, Columns()))
            except Problem as problem:
                return looked_at(request, study, upload, problem)
            uploads.choose(upload, columns)
        if what in ("import", "go_on"):
            uploads.go_on(upload)
        elif what != "look":
            raise Http404
    except Problem as problem:
        messages.error(request, problem.sentence(_))
    return redirect("upload", study.slug, upload.key)


def looked_at(
    request: HttpRequest, study: Study, upload: Upload, problem: Problem | None = None
) -> HttpResponse:
    """Answer with what an import would do, before anything is stored.

    With a `problem`, about what the columns were said to be, they stay as they were said.
    """
    context: dict[str, Any] = {
        "study": study,
        "role": Role.LEAD,
        "upload": upload,
        "whose": whose(request, upload),
        "uses": uses(),
    }
    try:
        tables = uploads.tables_of(upload)
        columns = columns_of(tables)
        if problem:
            columns = [
                replace(column, use=request.POST.get(f"use{number}", column.use))
                for number, column in enumerate(columns)
            ]
        context |= {"columns": columns[:MOST_COLUMNS], "more_columns": columns[MOST_COLUMNS:]}
        lacking = (table.name for table in tables if table.named and not table.texts)
        context["lacking"] = next(lacking, "")
        if not (problem or context["lacking"]):
            context |= would_do(upload)
    except Problem as found:
        problem = found
    context["problem"] = problem.sentence(_) if problem else ""
    status = 422 if problem and request.method == "POST" else 200
    return render(request, "studies/upload_look.html", context, status=status)


def would_do(upload: Upload) -> dict[str, object]:
    """Return what the page says that an import would do."""
    imported, first = uploads.preview(upload)
    return {
        "imported": imported,
        "would": imported.created + imported.unchanged + imported.changed,
        "first": [
            {
                "record": one.record,
                "language": one.language,
                "source": one.source.label,
                "unsure": one.source == LanguageSource.UNSURE,
            }
            for one in first
        ],
        **rows_of(imported),
    }


def uses() -> list[tuple[str, str]]:
    """Return what a column may be taken for."""
    return [
        ("id", _("id of the interview")),
        ("text", _("text")),
        ("language", _("language")),
        ("attribute", _("about the participant")),
        ("", _("not used")),
    ]


def columns_of(tables: Iterable[Table]) -> list[Column]:
    """Return each column of the tables once, with what it is taken for where it stands first."""
    columns: dict[str, Column] = {}
    for table in tables:
        for name in table.columns:
            use = (
                "id"
                if name == table.id
                else "text"
                if name in table.texts
                else "language"
                if name == table.language
                else "attribute"
                if name in table.attributes
                else ""
            )
            known = columns.get(name)
            if known is None or (use and not known.use):
                example = known.example if known else ""
                columns[name] = Column(name, example or table.examples.get(name, ""), use)
    return list(columns.values())


def columns_in(given: Any, tables: list[Table]) -> Columns:
    """Return which columns a form says are to be read; those of the headers if it says the same."""
    usual = columns_of(tables)
    said = [given.get(f"use{number}", column.use) for number, column in enumerate(usual)]
    if said == [column.use for column in usual]:
        return Columns()
    taken: dict[str, list[str]] = {use: [] for use, _label in uses()}
    for column, use in zip(usual, said, strict=True):
        taken.get(use, []).append(column.name)
    for use, sentence in (
        ("id", mark("Only one column can be the id: “%(first)s” and “%(second)s” are chosen.")),
        (
            "language",
            mark("Only one column can be the language: “%(first)s” and “%(second)s” are chosen."),
        ),
    ):
        if len(taken[use]) > 1:
            raise Problem(sentence, first=taken[use][0], second=taken[use][1])
    if not taken["text"]:
        raise Problem(mark("Choose the column that holds the text."))
    return Columns(
        "".join(taken["id"]), taken["text"], "".join(taken["language"]), taken["attribute"], True
    )


def rows_of(imported: Imported) -> dict[str, object]:
    """Return the rows left out and the remarks that a page names, and how many more there are."""
    shown: dict[str, object] = {}
    for name, count in (("rows", imported.left_out), ("notes", imported.noted)):
        rows: list[Row] = getattr(imported, name)[:SHOWN]
        shown[name] = [
            {"row": Row.of(row.as_json()), "reason": Problem.of(row.reason.as_json()).sentence(_)}
            for row in rows
        ]
        shown[f"more_{name}"] = more(count - len(rows))
    return shown


def more(count: int) -> str:
    """Return how many are not named, "" if all are."""
    if not count:
        return ""
    return ngettext("and %(count)d more", "and %(count)d more", count) % {"count": count}
