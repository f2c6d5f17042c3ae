"""The report in words and figures as people read them: the same for page, files and terminal."""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from coding.models import CoderKind, State
from reviews.kept import kept
from reviews.pictures import Estimate, coefficients, forest
from reviews.reports import HUMANS, MACHINE, AgreementRow, PrevalenceRow, Report

NOTHING = "–"
NO_BREAK = "\u00a0"
WAYS = ("exact", "folded", "fuzzy", "interviewer", "missing")
MOST_ROWS = 60
"""Rows of a picture above which it is no longer looked at but read: the table says it then."""


@dataclass(frozen=True)
class AgreementLine:
    """One row of agreement in words; `grey` if no coefficient is printed."""

    dimension: str
    label: str
    color: str
    language: str
    estimate: str
    interval: str
    verdict: str
    state: str
    units: str
    coders: str
    positives: str
    below_667: str
    percent: str
    kappa: str
    ac1: str
    specific: str
    counts: str
    grey: bool


@dataclass(frozen=True)
class PrevalenceLine:
    """One row of prevalence in words; `grey` if it is not validated, and `why` says so."""

    dimension: str
    label: str
    color: str
    domain: str
    language: str
    estimate: str
    interval: str
    machine: str
    human: str
    human_interval: str
    reviewed: str
    positives: str
    population: str
    ppv: str
    recall: str
    gain: str
    grade: str
    why: str
    sentence: str
    grey: bool


@dataclass(frozen=True)
class EvidenceLine:
    """How the machine's quotations were found, in one language or ("") in all."""

    language: str
    exact: str
    folded: str
    fuzzy: str
    interviewer: str
    missing: str
    without: str
    share: str


@dataclass(frozen=True)
class Fact:
    """One thing to know about how the report came about."""

    name: str
    value: str


def share(value: float) -> str:
    """Return a share in per cent, with one decimal."""
    if math.isnan(value):
        return NOTHING
    text = _("%(percent)s %%") % {"percent": rounded(100 * value, 1)}
    return text.replace(" ", NO_BREAK)


def coefficient(value: float) -> str:
    """Return a coefficient with two decimals."""
    return NOTHING if math.isnan(value) else rounded(value, 2)


def number(value: float) -> str:
    """Return a mean or a ratio with one decimal."""
    return NOTHING if math.isnan(value) else rounded(value, 1)


def p_value(value: float) -> str:
    """Return a p-value with three decimals, or that it is below them."""
    if math.isnan(value):
        return NOTHING
    return f"< {rounded(0.001, 3)}" if value < 0.001 else rounded(value, 3)


def rounded(value: float, decimals: int) -> str:
    """Return `value` with so many decimals, as the reader's language writes them."""
    # Django cuts decimals off instead of rounding. "z": -0.00 is no number that a reader knows.
    return number_format(Decimal(f"{value:z.{decimals}f}"), decimals)


def count(value: int | None) -> str:
    """Return a whole number, grouped as the reader's language does."""
    return NOTHING if value is None else number_format(value, 0, use_l10n=True, force_grouping=True)


def interviews_text(value: int) -> str:
    """Return how many interviews."""
    return ngettext("%(count)s interview", "%(count)s interviews", value) % {"count": count(value)}


def segments_text(value: int) -> str:
    """Return how many segments."""
    return ngettext("%(count)s segment", "%(count)s segments", value) % {"count": count(value)}


def languages_text(value: int) -> str:
    """Return how many languages."""
    return ngettext("%(count)s language", "%(count)s languages", value) % {"count": count(value)}


def human_codings_text(value: int) -> str:
    """Return how many codings people made."""
    said = ngettext("%(count)s blind human coding", "%(count)s blind human codings", value)
    return said % {"count": count(value)}


def machine_codings_text(value: int) -> str:
    """Return how many codings the machine made."""
    said = ngettext("%(count)s machine coding", "%(count)s machine codings", value)
    return said % {"count": count(value)}


def chance_text(seed: int, replicates: int) -> str:
    """Return where chance begins, and how often it is asked."""
    said = ngettext(
        "seed %(seed)s, %(replicates)s replicate of the item bootstrap",
        "seed %(seed)s, %(replicates)s replicates of the item bootstrap",
        replicates,
    )
    return said % {"seed": seed, "replicates": count(replicates)}


def interval(low: float, high: float, put: Callable[[float], str]) -> str:
    """Return an interval in brackets; that of a share is in per cent, without the sign."""
    if math.isnan(low) or math.isnan(high):
        return NOTHING
    if put is share:
        low, high, put = 100 * low, 100 * high, number
    ends = put(low), put(high)
    # Where a comma ends the whole part, another one between two numbers can't be told from it.
    return (
        f"[{ends[0]}; {ends[1]}]" if any("," in end for end in ends) else f"[{ends[0]}, {ends[1]}]"
    )


def agreement_lines(rows: Iterable[AgreementRow], report: Report) -> list[AgreementLine]:
    """Return `rows` in words."""
    return [agreement_line(row, report) for row in rows]


def agreement_line(row: AgreementRow, report: Report) -> AgreementLine:
    """Return `row` in words."""
    verdict, state = verdict_on(row)
    specific = NOTHING
    if not (math.isnan(row.positive) and math.isnan(row.negative)):
        specific = f"{coefficient(row.positive)} / {coefficient(row.negative)}"
    return AgreementLine(
        dimension=report.label(row.dimension, None),
        label=row_label(row, report),
        color=color_of(report, row.dimension, row.code),
        language=row.language or "",
        estimate=coefficient(row.estimate),
        interval=interval(row.low, row.high, coefficient),
        verdict=verdict,
        state=state,
        units=count(row.units),
        coders=count(row.coders),
        positives=count(row.positives),
        below_667=coefficient(row.p_below_667),
        percent=share(row.percent),
        kappa=coefficient(row.kappa),
        ac1=coefficient(row.ac1),
        specific=specific,
        counts=counts_text(row),
        grey=row.status != "ok",
    )


def row_label(row: AgreementRow | PrevalenceRow, report: Report) -> str:
    """Return what a row is about: a code, a dimension as a whole, or "none applies"."""
    if row.code is not None:
        return report.label(row.dimension, row.code)
    if isinstance(row, PrevalenceRow):
        return _("none applies")
    if row.kind == "one":
        ordered = report.ordered(row.dimension)
        return _("which code, by their order") if ordered else _("which code")
    return _("whole set of codes")


def verdict_on(row: AgreementRow) -> tuple[str, str]:
    """Return what the lower end of alpha's interval allows to say, and how it is coloured."""
    if row.status == "no_variation":
        return _("only one value occurs: there is no coefficient"), ""
    if row.status == "too_few_positives":
        return _("fewer than 10 positive codings: not estimated"), ""
    if row.status == "too_few_units":
        return _("fewer than 10 segments coded by two: not estimated"), ""
    if row.status == "no_pairs":
        return _("no segment was coded by two"), ""
    if row.low >= 0.8:
        return _("reliable"), "good"
    if row.low >= 0.667:
        return _("tentative"), ""
    return _("not reliable enough for conclusions"), "look"


def counts_text(row: AgreementRow) -> str:
    """Return the counts behind a coefficient: both, only a, only b, neither."""
    if row.counts is None:
        return ""
    shown = [row.counts.both, row.counts.only_a, row.counts.only_b, row.counts.neither]
    if row.counts.only_a is None or row.counts.only_b is None:
        shown = [row.counts.both, row.counts.differ, row.counts.neither]
    return " · ".join(count(pairs) for pairs in shown)


def prevalence_lines(rows: Iterable[PrevalenceRow], report: Report) -> list[PrevalenceLine]:
    """Return `rows` in words."""
    return [prevalence_line(row, report) for row in rows]


def prevalence_line(row: PrevalenceRow, report: Report) -> PrevalenceLine:
    """Return `row` in words."""
    put = share if row.quantity == "share" else number
    domain = dict(row.domain)
    return PrevalenceLine(
        dimension=report.label(row.dimension, None),
        label=row_label(row, report)
        if row.quantity == "share"
        else _("%(label)s (mean)") % {"label": row_label(row, report)},
        color=color_of(report, row.dimension, row.code),
        domain=domain_text(row),
        language=domain.get("language", ""),
        estimate=put(row.corrected),
        interval=interval(row.low, row.high, put),
        machine=put(row.machine),
        human=put(row.human),
        human_interval=interval(row.human_low, row.human_high, put),
        reviewed=count(row.reviewed),
        positives=count(row.positives),
        population=count(row.population),
        ppv=share(row.ppv),
        recall=share(row.recall),
        gain=number(row.gain),
        grade=row.grade or NOTHING,
        why=why_not(row),
        sentence=sentence(row),
        grey=not_validated(row),
    )


def domain_text(row: PrevalenceRow) -> str:
    """Return the domain of a row; participants without the attribute are "not stated"."""
    return ", ".join(value or _("not stated") for _name, value in row.domain)


def not_validated(row: PrevalenceRow) -> bool:
    """Return whether no human coding in this domain stands behind the number."""
    return row.grade not in ("A", "B") or row.status == "no_sample"


def why_not(row: PrevalenceRow) -> str:
    """Return why a number is not validated, or not to be ranked; empty if it is fine."""
    if row.status == "not_coded":
        return _("Nothing is known yet: neither a machine nor a person has coded this.")
    if row.status == "machine_only":
        return _("The machine alone: nobody has checked it here.")
    if row.status == "model_assisted":
        return _("Model-assisted, not validated: nobody coded here, so it leans on other groups.")
    if row.status == "no_sample":
        return _("Coded by people, but not a probability sample: it says nothing about the rest.")
    if row.status == "insufficient":
        if row.reviewed < 10:
            return _("Too few human codings to compare with others.")
        return _("No positive human coding: only an upper limit is known.")
    if row.status == "no_population":
        return _("There is nothing here to count.")
    return ""


def legend() -> list[str]:
    """Return what the columns of prevalence say, and what each grade of evidence means."""
    return [
        _(
            "Corrected: the machine’s labels everywhere, corrected by blind human codings of a "
            "probability sample, with MOVER intervals over Jeffreys limits. Gain: how many times "
            "as many human codings people alone would need for the same precision."
        ),
        _(
            "Grade A: design-based, 30 or more human codings, narrow; B: design-based, with fewer "
            "of them or wide; C: not validated here: too few human codings (or no positive one) to "
            "say anything, or none at all, so that it leans on other groups; D: the machine alone."
        ),
    ]


def sentence(row: PrevalenceRow) -> str:
    """Return the row as one plain sentence, with all that its number rests on."""
    put = share if row.quantity == "share" else number
    gaps = {
        "estimate": put(row.corrected),
        "interval": interval(row.low, row.high, put),
        "people": human_codings_text(row.reviewed),
        "positives": count(row.positives),
        "codings": machine_codings_text(row.coded),
        "machine": put(row.machine),
        "human": put(row.human),
        "high": put(row.high),
    }
    if row.status == "no_sample":
        if row.coded:
            text = _(
                "%(human)s in %(people)s, no probability sample; the machine alone would say "
                "%(machine)s."
            )
        else:
            text = _("%(human)s in %(people)s, no probability sample.")
    elif math.isnan(row.corrected):
        if row.coded:
            text = _("Not validated: the machine alone says %(machine)s of %(codings)s.")
        else:
            text = _("Nothing is known yet: neither a machine nor a person has coded this.")
    elif row.reviewed == 0:
        text = _(
            "%(estimate)s %(interval)s, model-assisted and not validated here, from %(codings)s; "
            "the machine alone would say %(machine)s."
        )
    elif row.quantity == "mean":
        if row.coded:
            text = _(
                "%(estimate)s %(interval)s, from %(people)s and %(codings)s; the machine alone "
                "would say %(machine)s."
            )
        else:
            text = _("%(estimate)s %(interval)s, from %(people)s.")
    elif not row.coded:
        text = _("%(estimate)s %(interval)s, from %(people)s (%(positives)s positive).")
    elif row.ppv == 1 and row.false_omission == 0:
        text = _(
            "%(estimate)s %(interval)s, from %(people)s (%(positives)s positive) and %(codings)s; "
            "the machine alone would say %(machine)s. No error was found in what was reviewed; up "
            "to %(high)s cannot be excluded."
        )
    else:
        text = _(
            "%(estimate)s %(interval)s, from %(people)s (%(positives)s positive) and %(codings)s; "
            "the machine alone would say %(machine)s."
        )
    return text % gaps


def evidence_lines(report: Report) -> list[EvidenceLine]:
    """Return how quotations were found, in all and then by language."""
    if report.run is None:
        return []
    lines = []
    for language, facts in [("", report.evidence), *report.evidence_by_language.items()]:
        found = {name: count(facts.counts.get(name, 0)) for name in WAYS}
        lines.append(
            EvidenceLine(
                language=language,
                **found,
                without=count(facts.without),
                share=share(facts.share),
            )
        )
    return lines


def facts(report: Report) -> list[Fact]:
    """Return what the report rests on: corpus, codebook, coder, sample, chance."""
    found = [
        Fact(
            _("Corpus"),
            _("%(interviews)s, %(segments)s, %(languages)s")
            % {
                "interviews": interviews_text(report.interviews),
                "segments": segments_text(report.segments),
                "languages": languages_text(len(report.languages)),
            },
        ),
        Fact(
            _("Codebook"),
            _("%(name)s, revision %(number)s")
            % {"name": report.codebook, "number": count(report.revision)},
        ),
    ]
    if run := report.run:
        found.append(Fact(_("Coder"), coder_text(report)))
        states = [f"{state_name(state)} {count(rows)}" for state, rows in run.states.items()]
        found.append(Fact(_("Segments of the run"), " · ".join(states)))
        if run.prompt_digest:
            found.append(Fact(_("Prompt (SHA-256)"), run.prompt_digest))
    if sample := report.sample:
        found += [
            Fact(
                _("Sample"),
                _("%(size)s of %(segments)s; strata: %(strata)s; seed %(seed)s")
                % {
                    "size": count(sample.size),
                    "segments": segments_text(sample.population),
                    "strata": ", ".join(sample.strata) or _("none"),
                    "seed": sample.seed,
                },
            ),
            Fact(_("Frame (SHA-256)"), sample.frame_digest),
            Fact(
                _("Human codings"),
                _(
                    "%(segments)s coded blind, %(twice)s of them by two or more; assignments "
                    "skipped: %(skipped)s of %(assigned)s; rulings: %(rulings)s"
                )
                % {
                    "segments": segments_text(sample.reviewed),
                    "twice": count(sample.twice),
                    "skipped": count(sample.skipped),
                    "assigned": count(sample.assigned),
                    "rulings": count(sample.rulings),
                },
            ),
            Fact(_("Coders"), ", ".join(sample.coders) or NOTHING),
        ]
    found.append(Fact(_("Chance"), chance_text(report.seed, report.replicates)))
    return found


def notes(report: Report) -> list[str]:
    """Return what a reader must know before using a number; empty if all is well."""
    said = []
    if report.fictional:
        said.append(fictional())
    if report.run and not report.run.language_model:
        said.append(_("The machine here is not a language model: expect many errors of it."))
    if report.run is None:
        said.append(_("No machine has coded this study."))
    sample = report.sample
    if sample is None and any(not math.isnan(row.corrected) for row in report.prevalence):
        said.append(_("People coded every segment: shares are counted and not estimated."))
    elif sample is None:
        said.append(
            _("No probability sample has been drawn, so no share is corrected or generalised.")
        )
    elif sample.reviewed < sample.size:
        said.append(
            ngettext(
                "Not coded by anybody yet: %(open)s of %(size)s drawn segment.",
                "Not coded by anybody yet: %(open)s of %(size)s drawn segments.",
                sample.size,
            )
            % {"open": count(sample.size - sample.reviewed), "size": count(sample.size)}
        )
    if sample and sample.withdrawn:
        said.append(
            ngettext(
                "%(count)s segment was withdrawn after the sample was drawn (of those drawn: "
                "%(items)s): every figure is of the interviews that are left.",
                "%(count)s segments were withdrawn after the sample was drawn (of those drawn: "
                "%(items)s): every figure is of the interviews that are left.",
                sample.withdrawn,
            )
            % {"count": count(sample.withdrawn), "items": count(sample.withdrawn_items)}
        )
    if sample and sample.changed:
        said.append(
            _(
                "Interviews, languages or the run have changed since the sample was drawn: what "
                "came later was never eligible, and strata are left out of the estimate."
            )
        )
    if sample and sample.open_disagreements:
        said.append(
            ngettext(
                "%(count)s disagreement is not ruled on: it counts as the share of coders who say "
                "yes, or on a scale as the mean of what they say.",
                "%(count)s disagreements are not ruled on: each counts as the share of coders who "
                "say yes, or on a scale as the mean of what they say.",
                sample.open_disagreements,
            )
            % {"count": count(sample.open_disagreements)}
        )
    return said


def fictional() -> str:
    """Return what has to be said of a made-up study wherever its figures stand."""
    return _(
        "Everything in this study is fictional: interviews, participants and human codings "
        "were written to show how Concord works."
    )


def coder_text(report: Report) -> str:
    """Return who the machine is: its kind, the model and when; never mistaken for a model."""
    run = report.run
    if run is None:
        return NOTHING
    kind = str(CoderKind(run.coder).label)
    name = run.name if run.model in run.name else f"{run.name}, {run.model}"
    return _("%(kind)s: %(name)s, %(date)s") % {"kind": kind, "name": name, "date": run.date[:10]}


def state_name(state: str) -> str:
    """Return the name of a state of work; a segment that is in no state was not coded."""
    return str(State(state).label) if state in State.values else _("not coded")


def color_of(report: Report, dimension: str, code: str | None) -> str:
    """Return the colour that the codebook gives a code, or ""."""
    return next(
        (name.color for name in report.names if (name.dimension, name.code) == (dimension, code)),
        "",
    )


def prevalence_picture(rows: Sequence[PrevalenceRow], report: Report, *, by: bool = False) -> str:
    """Return a forest plot of shares as SVG, by code or domain; "" if there is nothing to see."""
    rows = [row for row in rows if row.quantity == "share"]
    shown = [
        Estimate(
            label=domain_text(row) if by else row_label(row, report),
            estimate=row.corrected,
            low=row.low,
            high=row.high,
            human=row.human,
            machine=row.machine,
            validated=not not_validated(row),
        )
        for row in rows
    ]
    if not shown or len(shown) > MOST_ROWS:
        return ""
    name = "/".join(f"{row.dimension}.{row.code}.{row.domain}" for row in rows)
    return drawn(report, f"forest/{name}", lambda: forest(shown))


def agreement_picture(rows: Sequence[AgreementRow], report: Report) -> str:
    """Return alpha of every code with its interval as SVG; "" if there is nothing to see."""
    series = {True: _("between people"), False: _("machine to people")}
    dots = [
        Estimate(
            label=row_label(row, report),
            estimate=row.estimate,
            low=row.low,
            high=row.high,
            series=series[row.between == HUMANS],
        )
        for row in rows
        if not math.isnan(row.estimate)
    ]
    if not dots or len({dot.label for dot in dots}) > MOST_ROWS:
        return ""
    name = "/".join(f"{row.dimension}.{row.code}.{row.between}.{row.language}" for row in rows)
    return drawn(report, f"dots/{name}", lambda: coefficients(dots))


def drawn(report: Report, name: str, draw: Callable[[], str]) -> str:
    """Return the picture, drawn once for each report and language of the reader."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return kept(f"picture/2/{report.fingerprint}/{get_language()}/{digest}", str, draw)


def page(
    report: Report, *, by: Sequence[str] = (), code: str = "", pictures: bool = True
) -> dict[str, Any]:
    """Return what the templates of the report show; `by` breaks figures down as far as it has them.

    `code` (dimension/code) leaves one code only in the figures by language and by domain.
    """
    overall = [row for row in report.prevalence if not row.domain]
    coded = [
        row for row in report.agreement if row.code and row.kind != "scale" and not row.language
    ]
    return {
        "report": report,
        "by": list(by),
        "notes": notes(report),
        "facts": facts(report),
        "states": _states(report),
        "legend": legend(),
        "prevalence": prevalence_lines(overall, report),
        "prevalence_picture": prevalence_picture(overall, report) if pictures else "",
        "areas": [_area(report, name, code, pictures) for name in by],
        "agreement": _sides(report, "language" in by, code),
        "agreement_picture": agreement_picture(coded, report) if pictures else "",
        "evidence": evidence_lines(report),
    }


def rows_by(report: Report, name: str) -> dict[tuple[str, str | None], list[PrevalenceRow]]:
    """Return the rows by the attribute `name` of each code (dimension, code)."""
    found: dict[tuple[str, str | None], list[PrevalenceRow]] = {}
    for row in report.prevalence:
        if "*".join(part for part, _value in row.domain) == name:
            found.setdefault((row.dimension, row.code), []).append(row)
    return found


def picture_by(place: int, dimension: str, code: str | None) -> str:
    """Return the name of the picture of a code by the attribute at `place` of a report, from 1."""
    return f"by-{place}-{dimension}-{code or ''}"


def picture_named(report: Report, name: str) -> str:
    """Return the picture that stands under `name` beside the figures of prevalence; "" if none."""
    for place, by in enumerate(report.by, 1):
        for about, rows in rows_by(report, by).items():
            if picture_by(place, *about) == name:
                return prevalence_picture(rows, report, by=True)
    return ""


def _area(report: Report, name: str, code: str, pictures: bool) -> dict[str, Any]:
    """Return the figures by one attribute, code after code."""
    place = report.by.index(name) + 1
    found = {
        about: rows
        for about, rows in rows_by(report, name).items()
        if code in ("", f"{about[0]}/{about[1]}")
    }
    # A picture takes a tenth of a second to draw: many codes get their tables alone.
    pictured = pictures and sum(len(rows) for rows in found.values()) <= 10 * MOST_ROWS
    title = _("By language") if name == "language" else _("By %(attribute)s") % {"attribute": name}
    return {
        "name": name,
        "title": title,
        "codes": [
            {
                "label": row_label(rows[0], report),
                "dimension": report.label(rows[0].dimension, None),
                "lines": prevalence_lines(rows, report),
                "picture": prevalence_picture(rows, report, by=True) if pictured else "",
                "picture_name": picture_by(place, rows[0].dimension, rows[0].code),
            }
            for rows in found.values()
        ],
    }


def _sides(report: Report, by_language: bool, code: str) -> list[dict[str, Any]]:
    """Return both sides of agreement: between people, and machine to people."""
    people = _("Between people")
    machine = _("Machine to people")
    explained = {
        HUMANS: _("Do people who code blind and apart agree with each other?"),
        MACHINE: _(
            "Does the machine agree with people’s blind codings? a is the machine, b a person."
        ),
    }
    empty = {
        HUMANS: _("No segment is coded by two people yet. Let some of the sample be coded twice."),
        MACHINE: _("No segment is coded by both the machine and a person yet."),
    }
    sides = []
    for between, title in ((HUMANS, people), (MACHINE, machine)):
        rows = [row for row in report.agreement if row.between == between]
        overall = [row for row in rows if row.language is None]
        languages: dict[tuple[str, str | None], list[AgreementRow]] = {}
        for row in rows if by_language else ():
            if row.language is not None and code in ("", f"{row.dimension}/{row.code}"):
                languages.setdefault((row.dimension, row.code), []).append(row)
        sides.append(
            {
                "title": title,
                "explained": explained[between],
                "empty": empty[between],
                "lines": agreement_lines(overall, report)
                if any(row.units for row in overall)
                else [],
                "by_language": [
                    {"label": row_label(some[0], report), "lines": agreement_lines(some, report)}
                    for some in languages.values()
                ],
            }
        )
    return sides


def _states(report: Report) -> dict[str, Any]:
    """Return where the run stands, by language; empty without a run."""
    if report.run is None:
        return {}
    return {
        "names": [state_name(state) for state in report.run.states],
        "rows": [
            (language, [count(number) for number in counts.values()])
            for language, counts in report.run.by_language.items()
        ],
        "reasons": [
            (state_name(state), reason, count(number))
            for state, reason, number in report.run.reasons
        ],
    }
