"""Coding in a reader's words: money, what it would cost, why a run stopped."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import formats
from django.utils.translation import gettext, ngettext

from coding.coders.services import SERVICES
from coding.models import CoderKind

# What stands between a sentence of ours and what a service said about it.
JOINTS = (" (", ". ")


def money(usd: float | None) -> str:
    """Return `usd` with as many digits as say something: two places, or two digits if it is less.

    >>> money(1234.5), money(0.5), money(0.0123), money(0.00000004), money(0)
    ('1,234.50', '0.50', '0.012', '0.000000040', '0')
    """
    if usd is None:
        return "–"
    if usd == 0:
        return "0"
    places = 2
    while places < 10 and 0 < abs(usd) < 10 ** (1 - places):
        places += 1
    return formats.number_format(round(usd, places), places, force_grouping=True)


def share(part: float | None) -> str:
    """Return a share as a percentage without places; "–" where there is none."""
    if part is None:
        return "–"
    return gettext("%(number)s %%") % {"number": formats.number_format(round(100 * part), 0)}


def count(number: float | None) -> str:
    """Return a number with its thousands apart; "–" where there is none."""
    return "–" if number is None else formats.number_format(number, 0, force_grouping=True)


def reason(text: str) -> str:
    """Return why something stopped in the reader's language, as far as it is a sentence of ours.

    Behind it there may be what a service said, which stays as it was said.
    """
    if not text:
        return ""
    if (whole := gettext(text)) != text:
        return whole
    for joint in JOINTS:
        at = text.find(joint)
        while at > 0:
            ours = text[: at + (joint == ". ")]
            if (said := gettext(ours)) != ours:
                rest = text[at + 2 :] if joint == ". " else text[at + 1 :]
                return f"{said} {reason(rest) if joint == '. ' else rest}"
            at = text.find(joint, at + 1)
    return text


def estimate_sentences(made: Mapping[str, Any], *, batch: bool = False) -> list[str]:
    """Return what an estimate (JSON) says, a sentence each; `batch` says which price is meant."""
    if made.get("coder") == CoderKind.EMBEDDED:
        return [for_nothing(made["segments"])]
    in_batches = batch and made["usd_batch"] is not None
    words = {
        **made,
        "segments": count(made["segments"]),
        "requests": count(made["requests"]),
        "usd": money(made["usd_batch"] if in_batches else made["usd"]),
        "service": SERVICES[made["service"]],
        "prompt_tokens": count(made["prompt_tokens"]),
        "cache_minimum": count(made["cache_minimum"]),
        "counted": gettext("tokens counted by the service on a sample")
        if made["counted_by"] == "count_tokens"
        else gettext("tokens guessed from the length of the texts"),
    }
    if not made["segments"]:
        said = [gettext("Nothing is left to send to %(model)s.") % words]
    elif in_batches:
        said = [
            gettext(
                "Coding %(segments)s segments with %(model)s in batches would cost about "
                "%(usd)s USD (prices of %(prices_of)s; %(counted)s)."
            )
            % words
        ]
    else:
        said = [
            gettext(
                "Coding %(segments)s segments with %(model)s would cost about %(usd)s USD "
                "(prices of %(prices_of)s; %(counted)s)."
            )
            % words
        ]
    if made["waiting"]:
        said.append(
            ngettext(
                "%(waiting)s request is with the service in a batch already and costs at most "
                "%(waiting_usd)s USD; it is not sent again.",
                "%(waiting)s requests are with the service in batches already and cost at most "
                "%(waiting_usd)s USD; they are not sent again.",
                made["waiting"],
            )
            % {"waiting": count(made["waiting"]), "waiting_usd": money(made["waiting_usd"])}
        )
    if made["by_dimension"]:
        said.append(
            gettext(
                "The codebook is too large for one request: each dimension is asked about on its "
                "own, in %(requests)s requests."
            )
            % words
        )
    if made["below_minimum"]:
        said.append(below_minimum(made))
    return said


def translation_sentence(made: Mapping[str, Any]) -> str:
    """Return what an estimate (JSON) says of translating."""
    words = {
        "interviews": count(made["interviews"]),
        "into": made["into"],
        "model": made["model"],
        "usd": money(made["usd"]),
        "prices_of": made["prices_of"],
        "counted": gettext("tokens counted by the service on a sample")
        if made["counted_by"] == "count_tokens"
        else gettext("tokens guessed from the length of the texts"),
    }
    if not made["interviews"]:
        return gettext("Nothing is left to translate into %(into)s.") % words
    return (
        ngettext(
            "Translating %(interviews)s interview into %(into)s with %(model)s would cost about "
            "%(usd)s USD (prices of %(prices_of)s; %(counted)s).",
            "Translating %(interviews)s interviews into %(into)s with %(model)s would cost about "
            "%(usd)s USD (prices of %(prices_of)s; %(counted)s).",
            made["interviews"],
        )
        % words
    )


def for_nothing(left: int) -> str:
    """Return that the embedded coder costs nothing, and how much is `left` for it."""
    if not left:
        return gettext(
            "The embedded coder needs no service and costs nothing; nothing is left for it to code."
        )
    return ngettext(
        "The embedded coder needs no service and costs nothing; %(segments)s segment is left for "
        "it to code.",
        "The embedded coder needs no service and costs nothing; %(segments)s segments are left "
        "for it to code.",
        left,
    ) % {"segments": count(left)}


def below_minimum(made: Mapping[str, Any]) -> str:
    """Return that the codebook is too short to be cached, and what follows."""
    return gettext(
        "The codebook with its instructions has about %(prompt_tokens)s tokens; %(model)s caches "
        "from %(cache_minimum)s on, so every request pays for all of it."
    ) % {
        "prompt_tokens": count(made["prompt_tokens"]),
        "model": made["model"],
        "cache_minimum": count(made["cache_minimum"]),
    }


def when(iso: str) -> datetime:
    """Return the time that JSON has as text."""
    return datetime.fromisoformat(iso)
