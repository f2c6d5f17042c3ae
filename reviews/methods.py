"""The methods section, written out with the study’s own figures, and which codes not to use."""

import math

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from codebooks.models import Kind
from reviews.agreement import HUMANS
from reviews.facts import SampleFacts
from reviews.prevalence import PrevalenceRow
from reviews.reports import Report
from reviews.wording import (
    coefficient,
    count,
    interviews_text,
    languages_text,
    segments_text,
    share,
    state_name,
)

TENTATIVE = 0.667
WIDE = 0.1
"""Half-width from which an interval says too little to be reported as a share."""


def methods(report: Report) -> list[str]:
    """Return the paragraphs of the methods section; what did not happen is not told."""
    told = [
        _corpus(report),
        codebook_text(report),
        machine_text(report),
        *_people(report),
        _estimate(report),
        _quotations(report),
        _software(report),
    ]
    return [text for text in told if text]


def _corpus(report: Report) -> str:
    languages = sorted(report.languages.items(), key=lambda item: (-item[1], item[0]))
    most = ", ".join(f"{name} {count(number)}" for name, number in languages[:6])
    return _(
        "The corpus holds %(interviews)s in %(languages)s (%(most)s%(rest)s), coded as "
        "%(segments)s."
    ) % {
        "interviews": interviews_text(report.interviews),
        "languages": languages_text(len(languages)),
        "most": most,
        "rest": ", …" if len(languages) > 6 else "",
        "segments": segments_text(report.segments),
    }


def codebook_text(report: Report) -> str:
    """Return what the codebook is."""
    dimensions = [name for name in report.names if name.code is None]
    scales = sum(name.kind == Kind.SCALE for name in dimensions)
    codes = sum(name.code is not None and name.kind != Kind.SCALE for name in report.names)
    return _(
        "The codebook is “%(name)s”, frozen as revision %(revision)s (dimensions: %(dimensions)s, "
        "of these scales: %(scales)s; codes: %(codes)s)."
    ) % {
        "name": report.codebook,
        "revision": count(report.revision),
        "codes": count(codes),
        "dimensions": count(len(dimensions)),
        "scales": count(scales),
    }


def machine_text(report: Report) -> str:
    """Return who the machine was, when, and what it left out; nothing without a machine."""
    run = report.run
    if run is None:
        return ""
    said = (
        _(
            "A language model, %(model)s, coded every segment on %(date)s (prompt SHA-256 "
            "%(digest)s…). It is treated as an instrument whose errors are measured, never as one "
            "of the coders."
        )
        if run.language_model
        else _(
            "An offline similarity suggester, %(model)s, which is no language model, coded every "
            "segment on %(date)s. It is treated as an instrument whose errors are measured, never "
            "as one of the coders."
        )
    )
    text = said % {
        "model": run.model,
        "date": run.date[:10],
        "digest": run.prompt_digest[:12] or "–",
    }
    missing = [
        f"{state_name(state)} {count(number)}"
        for state, number in run.states.items()
        if state != "done" and number
    ]
    if missing:
        text += " " + _(
            "Segments without a coding (%(states)s) stay in the population as a label of their "
            "own and are never counted as a no."
        ) % {"states": ", ".join(missing)}
    return text


def _people(report: Report) -> list[str]:
    sample = report.sample
    if sample is None:
        return []
    drawn = _(
        "A probability sample of %(size)s of %(segments)s was drawn (%(strata)s; seed %(seed)s; "
        "frame SHA-256 %(frame)s…)."
    ) % {
        "size": count(sample.size),
        "segments": segments_text(sample.population),
        "strata": _("strata: %(names)s") % {"names": ", ".join(sample.strata)}
        if sample.strata
        else _("one stratum"),
        "seed": sample.seed,
        "frame": sample.frame_digest[:12],
    }
    texts = [" ".join([drawn, *_withdrawn(sample), *_coded(sample)])]
    if len(sample.rounds) > 1:
        texts.append(
            ngettext(
                "The sample was drawn in %(rounds)s round; inclusion probabilities are over all.",
                "The sample was drawn in %(rounds)s rounds; inclusion probabilities are over all.",
                len(sample.rounds),
            )
            % {"rounds": count(len(sample.rounds))}
        )
    if sample.rulings:
        texts.append(
            ngettext(
                "%(count)s disagreement was settled by a ruling; the blind codings were kept, and "
                "agreement is of the blind codings alone.",
                "%(count)s disagreements were settled by rulings; the blind codings were kept, and "
                "agreement is of the blind codings alone.",
                sample.rulings,
            )
            % {"count": count(sample.rulings)}
        )
    return texts


def _withdrawn(sample: SampleFacts) -> list[str]:
    """Return what left population and sample after the drawing, as participants wished."""
    if not sample.withdrawn:
        return []
    return [
        ngettext(
            "After the drawing %(count)s more segment was withdrawn (of those drawn: %(items)s); "
            "it is counted neither in the population nor in the sample.",
            "After the drawing %(count)s more segments were withdrawn (of those drawn: %(items)s); "
            "they are counted neither in the population nor in the sample.",
            sample.withdrawn,
        )
        % {"count": count(sample.withdrawn), "items": count(sample.withdrawn_items)}
    ]


def _coded(sample: SampleFacts) -> list[str]:
    """Return who coded the sample, and how much of it, a sentence each."""
    if not sample.coders:
        return [_("Nobody has coded anything of it yet.")]
    told = [
        ngettext(
            "%(coders)s person coded it, blind to the machine’s codes.",
            "%(coders)s people coded it, blind to the machine’s codes and to each other’s.",
            len(sample.coders),
        )
        % {"coders": count(len(sample.coders))},
        ngettext(
            "%(reviewed)s segment was coded, %(twice)s by two or more people independently.",
            "%(reviewed)s segments were coded, %(twice)s of them by two or more people "
            "independently.",
            sample.reviewed,
        )
        % {"reviewed": count(sample.reviewed), "twice": count(sample.twice)},
    ]
    if sample.translated:
        told.append(
            ngettext(
                "%(count)s blind coding was given with a translation of the interview in sight; "
                "its evidence is of the original.",
                "%(count)s blind codings were given with a translation of the interview in sight; "
                "their evidence is of the original.",
                sample.translated,
            )
            % {"count": count(sample.translated)}
        )
    if sample.assigned:
        told.append(
            ngettext(
                "Skipped: %(skipped)s of %(assigned)s assignment.",
                "Skipped: %(skipped)s of %(assigned)s assignments.",
                sample.assigned,
            )
            % {"skipped": count(sample.skipped), "assigned": count(sample.assigned)}
        )
    return told


def _estimate(report: Report) -> str:
    if report.sample is None:
        return ""
    alphas = [
        row.estimate
        for row in report.agreement
        if row.between == HUMANS and row.language is None and row.code
        and not math.isnan(row.estimate)
    ]  # fmt: skip
    text = ngettext(
        "Agreement is Krippendorff’s alpha with percentile intervals from %(replicates)s bootstrap "
        "replicate over interviews. Prevalence is the share in the population, post-stratified "
        "by design stratum and the machine’s label, with MOVER-Jeffreys 95 %% intervals.",
        "Agreement is Krippendorff’s alpha with percentile intervals from %(replicates)s bootstrap "
        "replicates over interviews. Prevalence is the share in the population, post-stratified "
        "by design stratum and the machine’s label, with MOVER-Jeffreys 95 %% intervals.",
        report.replicates,
    ) % {"replicates": count(report.replicates)}
    if len(alphas) == 1:
        text += " " + _("Between people alpha was %(alpha)s, of one code.") % {
            "alpha": coefficient(alphas[0])
        }
    elif alphas:
        said = ngettext(
            "Between people alpha was %(low)s to %(high)s over %(codes)s code.",
            "Between people alpha was %(low)s to %(high)s over %(codes)s codes.",
            len(alphas),
        )
        text += " " + said % {
            "low": coefficient(min(alphas)),
            "high": coefficient(max(alphas)),
            "codes": count(len(alphas)),
        }
    return text


def _quotations(report: Report) -> str:
    if report.run is None or math.isnan(report.evidence.share):
        return ""
    return _(
        "Every quotation of the machine was looked for in the transcript: %(share)s stand there "
        "in the participant’s words (word for word or nearly)."
    ) % {"share": share(report.evidence.share)}


def _software(report: Report) -> str:
    return _(
        "Computed with Concord; seed %(seed)s, fingerprint of the rows %(fingerprint)s…. The "
        "design record (design.json) gives this report again, bit for bit."
    ) % {"seed": report.seed, "fingerprint": report.fingerprint[:12]}


def unfit(report: Report) -> list[tuple[PrevalenceRow, str]]:
    """Return the codes whose share should not be reported, each with the reason."""
    alphas = {
        (row.dimension, row.code): row
        for row in report.agreement
        if row.between == HUMANS and row.language is None
    }
    found = []
    for row in report.prevalence:
        if row.domain or row.quantity != "share" or row.code is None:
            continue
        reasons = []
        if row.grade in ("C", "D", None):
            reasons.append(
                _("no validated estimate (grade %(grade)s)") % {"grade": row.grade or "–"}
            )
        elif row.status != "ok":
            reasons.append(_("too few answers or no positive one"))
        elif (row.high - row.low) / 2 > WIDE:
            reasons.append(_("the interval is wider than ±%(points)s points") % {"points": "10"})
        agreement = alphas.get((row.dimension, row.code))
        if agreement is not None and not math.isnan(agreement.low) and agreement.low < TENTATIVE:
            reasons.append(
                _("agreement between people may lie below .667 (alpha from %(low)s)")
                % {"low": coefficient(agreement.low)}
            )
        elif agreement is None or math.isnan(agreement.estimate):
            reasons.append(_("agreement between people is not known"))
        if reasons:
            found.append((row, "; ".join(reasons)))
    return found
