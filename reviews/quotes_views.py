"""The page of quotations: one code at a time, and who may be quoted."""

import io
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from codebooks.models import Code, Kind
from reviews.blind import kept_blind
from reviews.quotes import EACH, allow, may_be_quoted, quotes, write_quotes
from reviews.sampling import revision_in_use
from reviews.tables import attribute_names
from studies.access import role_of, study_or_404
from studies.models import Role
from studies.problems import Problem


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def quotes_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the most telling quotations of a code, or all of them as a file."""
    study = study_or_404(request.user, slug, Role.LEAD, Role.READER)
    role = role_of(request.user, study)
    context: dict[str, Any] = {"study": study, "role": role}
    if blind := kept_blind(request, study):
        return blind
    if request.method == "POST":
        study_or_404(request.user, slug, Role.LEAD)
        values = request.POST.get("values", "").replace("،", ",").split(",")
        try:
            count = allow(
                study,
                request.POST.get("attribute", ""),
                [value.strip() for value in values],
                request.user,
            )
        except Problem as problem:
            messages.error(request, problem.sentence(_))
        else:
            said = ngettext(
                "%(count)s participant may be quoted.",
                "%(count)s participants may be quoted.",
                count,
            )
            messages.success(request, said % {"count": count})
        return redirect("quotes", slug=study.slug)
    names = attribute_names(study)
    spread = [name for name in request.GET.getlist("spread") if name in names]
    try:
        revision = revision_in_use(study)
    except Problem as problem:
        return render(request, "reviews/quotes.html", {**context, "problem": problem.sentence(_)})
    codes = list(
        Code.objects.filter(dimension__revision=revision)
        .exclude(dimension__kind=Kind.SCALE)
        .select_related("dimension")
        .order_by("dimension__position", "position")
    )
    if request.GET.get("file") == "csv":
        file = io.StringIO(newline="")
        write_quotes(quotes(study, revision=revision, spread=spread), file)
        answer = HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{study.slug}-quotes.csv"'
        return answer
    asked = request.GET.get("code", "")
    code = next((one for one in codes if f"{one.dimension.key}/{one.key}" == asked), None)
    code = code or (codes[0] if codes else None)
    context |= {
        "codes": [(f"{one.dimension.key}/{one.key}", one) for one in codes],
        "code": code,
        "codebook_language": revision.codebook.language,
        "names": names,
        "spread": spread,
        "allowed": may_be_quoted(study).count(),
        "rule": study.quotable,
        "values": ", ".join(str(value) for value in study.quotable.get("values", [])),
        "quotes": [
            (one, [one.attributes[name] for name in spread if one.attributes.get(name)])
            for one in quotes(
                study,
                revision=revision,
                dimension=code.dimension.key,
                code=code.key,
                each=2 * EACH,
                spread=spread,
            )
        ]
        if code
        else [],
    }
    return render(request, "reviews/quotes.html", context)
