"""COREQ and SRQR, filled in where the system knows and blank where a person must.

Items in our words after Tong, Sainsbury and Craig (2007) and O’Brien et al. (2014). An item names
what is known of it in `KNOWN`; every other is the researcher’s to fill.
"""

from collections.abc import Callable, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from reviews.agreement import HUMANS
from reviews.methods import codebook_text, machine_text
from reviews.reports import Report
from reviews.wording import count, interviews_text, segments_text

Item = tuple[str, str, str]
"""Number, what is asked, and which of `KNOWN` answers it (or nothing)."""

COREQ: tuple[Item, ...] = (
    ("1", gettext_noop("Who conducted the interviews"), ""),
    ("2", gettext_noop("Credentials of the researchers"), ""),
    ("3", gettext_noop("Their occupation at the time"), ""),
    ("4", gettext_noop("Gender of the researchers"), ""),
    ("5", gettext_noop("Experience and training"), ""),
    ("6", gettext_noop("Relationship with participants before the study"), ""),
    ("7", gettext_noop("What participants knew about the interviewer"), ""),
    ("8", gettext_noop("Characteristics of the interviewer: interests, assumptions, bias"), ""),
    ("9", gettext_noop("Methodological orientation"), ""),
    ("10", gettext_noop("How participants were selected"), ""),
    ("11", gettext_noop("How participants were approached"), ""),
    ("12", gettext_noop("Number of participants"), "participants"),
    ("13", gettext_noop("How many refused or dropped out, and why"), ""),
    ("14", gettext_noop("Where data were collected"), ""),
    ("15", gettext_noop("Presence of others"), ""),
    ("16", gettext_noop("Description of the participants"), "languages"),
    ("17", gettext_noop("Interview guide and pilot testing"), ""),
    ("18", gettext_noop("Repeat interviews"), ""),
    ("19", gettext_noop("Audio or visual recording"), ""),
    ("20", gettext_noop("Field notes"), ""),
    ("21", gettext_noop("Duration of the interviews"), ""),
    ("22", gettext_noop("Data saturation"), ""),
    ("23", gettext_noop("Transcripts returned to participants"), ""),
    ("24", gettext_noop("Number of data coders"), "coders"),
    ("25", gettext_noop("Description of the coding tree"), "codebook"),
    ("26", gettext_noop("Derivation of themes: in advance or from the data"), ""),
    ("27", gettext_noop("Software"), "software"),
    ("28", gettext_noop("Feedback of participants on the findings"), ""),
    ("29", gettext_noop("Quotations with participant numbers"), "quotations"),
    ("30", gettext_noop("Consistency of data and findings"), "agreement"),
    ("31", gettext_noop("Major themes"), "prevalence"),
    ("32", gettext_noop("Minor themes and diverse cases"), ""),
)

SRQR: tuple[Item, ...] = (
    ("S1", gettext_noop("Title"), "title"),
    ("S2", gettext_noop("Abstract"), ""),
    ("S3", gettext_noop("Problem formulation"), ""),
    ("S4", gettext_noop("Purpose or research question"), ""),
    ("S5", gettext_noop("Qualitative approach and research paradigm"), ""),
    ("S6", gettext_noop("Researcher characteristics and reflexivity"), ""),
    ("S7", gettext_noop("Context"), ""),
    ("S8", gettext_noop("Sampling strategy"), "sample"),
    ("S9", gettext_noop("Ethical issues pertaining to human subjects"), ""),
    ("S10", gettext_noop("Data collection methods"), ""),
    ("S11", gettext_noop("Data collection instruments and technologies"), ""),
    ("S12", gettext_noop("Units of study"), "participants"),
    ("S13", gettext_noop("Data processing"), "machine"),
    ("S14", gettext_noop("Data analysis"), "analysis"),
    ("S15", gettext_noop("Techniques to enhance trustworthiness"), "agreement"),
    ("S16", gettext_noop("Synthesis and interpretation"), "prevalence"),
    ("S17", gettext_noop("Links to empirical data"), "quotations"),
    ("S18", gettext_noop("Integration with prior work, implications, transferability"), ""),
    ("S19", gettext_noop("Limitations"), "limits"),
    ("S20", gettext_noop("Conflicts of interest"), ""),
    ("S21", gettext_noop("Funding"), ""),
)


def checklist(items: Sequence[Item], report: Report) -> list[tuple[str, str, str]]:
    """Return number, item and what is known; a blank to fill says so."""
    return [
        (
            number,
            _(asked),
            (KNOWN[known](report) if known else "") or _("(researcher to fill)"),
        )
        for number, asked, known in items
    ]


def _participants(report: Report) -> str:
    return _("%(interviews)s, %(segments)s") % {
        "interviews": interviews_text(report.interviews),
        "segments": segments_text(report.segments),
    }


def _languages(report: Report) -> str:
    named = ", ".join(f"{name} {count(number)}" for name, number in report.languages.items())
    return _("By language: %(languages)s. Other characteristics: (researcher to fill)") % {
        "languages": named
    }


def _coders(report: Report) -> str:
    sample = report.sample
    if sample is None or not sample.coders:
        return ""
    said = ngettext("%(count)s person, blind", "%(count)s people, blind", len(sample.coders))
    told = [said % {"count": count(len(sample.coders))}]
    if sample.twice:
        told.append(_("%(segments)s by two or more") % {"segments": segments_text(sample.twice)})
    if report.run:
        told.append(_("and a machine"))
    return "; ".join(told)


def _sample(report: Report) -> str:
    sample = report.sample
    if sample is None:
        return ""
    said = _(
        "Of interviews: (researcher to fill). For review: a probability sample of %(size)s of "
        "%(segments)s"
    )
    return said % {"size": count(sample.size), "segments": segments_text(sample.population)}


def _agreement(report: Report) -> str:
    rows = [row for row in report.agreement if row.between == HUMANS and row.code]
    if not any(row.units for row in rows):
        return ""
    return _(
        "Blind double coding with alpha for each code (section Agreement); every quotation "
        "verified in the transcript (section Evidence)"
    )


KNOWN: dict[str, Callable[[Report], str]] = {
    "participants": _participants,
    "languages": _languages,
    "coders": _coders,
    "codebook": lambda report: (
        _("Revision %(number)s of “%(name)s”; definitions in the codebook’s file")
        % {"number": count(report.revision), "name": report.codebook}
    ),
    "software": lambda report: (
        _("Concord; fingerprint %(fingerprint)s") % {"fingerprint": report.fingerprint[:12]}
    ),
    "quotations": lambda report: _(
        "Page Quotations: with participant, language and translation, from those who agreed"
    ),
    "agreement": _agreement,
    "prevalence": lambda report: (
        _("Section Prevalence, each figure with its interval and grade")
        if report.prevalence
        else ""
    ),
    "title": lambda report: report.name,
    "sample": _sample,
    "machine": machine_text,
    "analysis": lambda report: f"{codebook_text(report)} {machine_text(report)}".rstrip(),
    "limits": lambda report: _(
        "Section “Codes not to be used for prevalence”; others: (researcher to fill)"
    ),
}
"""What answers an item: an empty answer leaves it to the researcher."""
