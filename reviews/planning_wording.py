"""The plan in words, for the page and the command."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reviews.planning import Need, Planned, Unmet
from reviews.wording import rounded


def line(made: Planned, need: Need) -> dict[str, Any]:
    """Return a row of the page."""
    return {
        "need": need,
        "label": named(made, need),
        "language": need.language,
        "lang": made.language if need.code else "",
        "share": percent(need.rates.prevalence),
        "now": "" if need.assumed else half_width_text(need.now),
    }


def named(made: Planned, one: Need | Unmet) -> str:
    """Return what a row is about: the code, else the language, else all."""
    if one.code is None:
        return one.language or _("all interviews")
    for name in made.names:
        if (name.dimension, name.code) == (one.dimension, one.code):
            return name.label
    return one.code


def percent(share: float) -> str:
    """Return a share in per cent, with one decimal."""
    return _("%(value)s %%") % {"value": rounded(100 * share, 1)}


def half_width_text(width: float) -> str:
    """Return a half-width in points."""
    return f"±{rounded(100 * width, 1)}"


def verdict_sentences(made: Planned) -> list[str]:
    """Return what the stopping rule says now, a sentence each."""
    verdict, rule = made.verdict, made.rule
    if rule is None or verdict is None:
        return [_("No stopping rule was declared.")]
    looks = ", ".join(str(look) for look in rule.looks)
    said = [
        _("Declared: look at %(looks)s reviewed segments; stop when intervals are %(width)s.")
        % {"looks": looks, "width": half_width_text(rule.half_width)}
    ]
    if verdict.decision == "stop":
        said.append(_("All holds: the review may stop."))
    elif verdict.decision == "go_on":
        said.append(_("Not all holds at the look at %(look)s.") % {"look": verdict.look})
    if verdict.decision != "stop" and verdict.next_look:
        said.append(
            ngettext(
                "%(reviewed)s segment is reviewed; the next look is at %(look)s.",
                "%(reviewed)s segments are reviewed; the next look is at %(look)s.",
                verdict.reviewed,
            )
            % {"reviewed": verdict.reviewed, "look": verdict.next_look}
        )
    return said


def unmet_sentence(made: Planned, one: Unmet) -> dict[str, str]:
    """Return what does not hold for a code, and how much is missing."""
    if one.what == "half_width":
        text = _("the interval is %(found)s, wanted is %(wanted)s; about %(more)s more reviews")
        values = {"found": half_width_text(one.found), "wanted": half_width_text(one.wanted)}
    elif one.what == "positives":
        text = _("%(found)s positive answers of %(wanted)s; about %(more)s more reviews")
        values = {"found": str(int(one.found)), "wanted": str(int(one.wanted))}
    else:
        text = _("%(found)s of the machine’s yes reviewed, wanted are %(wanted)s; %(more)s more")
        values = {"found": str(int(one.found)), "wanted": str(int(one.wanted))}
    return {
        "label": named(made, one),
        "lang": made.language,
        "language": one.language or "",
        "text": text % {**values, "more": str(one.more)},
    }
