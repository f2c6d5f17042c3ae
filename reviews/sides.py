"""Which two are compared: two runs, or two revisions of a codebook, by default the last of them.

A run or a revision is named by its number; one that is not there, or twice the same, is a Problem.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet

from codebooks.models import Revision
from coding.models import Coding, Run
from coding.runs import run_of
from reviews.models import Purpose, Sample
from studies.models import Study
from studies.problems import Problem, _


@dataclass(frozen=True)
class Side:
    """One of the two: a run, or a revision with the run that coded it (None: people alone)."""

    run: int | None
    name: str
    coder: str
    model: str
    codebook: str
    revision: int
    date: str
    replicate: int


def side_of(run: Run | None, revision: Revision) -> Side:
    """Return who it is, for those who show it."""
    return Side(
        run=run.pk if run else None,
        name=run.name if run else "",
        coder=run.coder if run else "",
        model=run.model if run else "",
        codebook=revision.codebook.name,
        revision=revision.number,
        date=(run or revision).created_at.isoformat(),
        replicate=run.replicate if run else 0,
    )


def two_runs(study: Study, first: Run | int | None, second: Run | int | None) -> tuple[Run, Run]:
    """Return the two that are named, else the last that coded anything and the one before it.

    Of the same revision where there is one.
    """
    if first is None and second is None:
        last = list(_that_coded(study.runs.all()))
        if len(last) < 2:
            raise Problem(
                _("“%(study)s” has fewer than two runs that coded anything: code it twice first."),
                study=study.slug,
            )
        # With one codebook people can judge both.
        alike = [run for run in last[1:] if run.revision_id == last[0].revision_id]
        return (alike or last[1:])[0], last[0]
    if first is None or second is None:
        raise Problem(_("Name two runs, or none: then the last two are compared."))
    found = [run if isinstance(run, Run) else run_of(study, run) for run in (first, second)]
    if found[0] == found[1]:
        raise Problem(_("That is the same run twice: name two."))
    return found[0], found[1]


def sample_of(study: Study, sample: Sample | int | None, revision: Revision) -> Sample | None:
    """Return that sample of `revision`, else the latest; None where nothing was drawn."""
    if isinstance(sample, Sample):
        return sample
    rows = study.samples.filter(revision=revision, purpose=Purpose.REVIEW)
    if sample is None:
        return rows.order_by("-pk").first()
    found = rows.filter(pk=sample).first()
    if found is None:
        raise Problem(
            _("The study “%(study)s” has no sample %(sample)d of that revision."),
            study=study.slug,
            sample=sample,
        )
    return found


def two_revisions(
    study: Study, first: Revision | int | None, second: Revision | int | None
) -> tuple[Revision, Revision]:
    """Return the two that are named, else the last two under which anything was coded."""
    used = used_revisions(study)
    if first is None and second is None:
        if len(used) < 2:
            raise Problem(
                _(
                    "“%(study)s” was coded under fewer than two revisions of its codebook: there "
                    "is nothing to compare."
                ),
                study=study.slug,
            )
        return used[-2], used[-1]
    if first is None or second is None:
        raise Problem(_("Name two revisions, or none: then the last two are compared."))
    found = []
    for asked in (first, second):
        if isinstance(asked, int):
            # Numbers are of one codebook: of the latest, where a study has several.
            numbered = [revision for revision in used if revision.number == asked]
            if not numbered:
                raise Problem(
                    _("Nobody coded “%(study)s” under a revision %(number)d: there are %(known)s."),
                    study=study.slug,
                    number=asked,
                    known=", ".join(str(revision.number) for revision in used) or "–",
                )
            asked = numbered[-1]
        found.append(asked)
    if found[0] == found[1]:
        raise Problem(_("That is the same revision twice: name two."))
    return found[0], found[1]


def used_revisions(study: Study) -> list[Revision]:
    """Return the revisions under which anything of `study` was coded, oldest first."""
    coded = (
        Coding.objects.filter(segment__transcript__study=study)
        .order_by()
        .values_list("revision", flat=True)
        .distinct()
    )
    rows = Revision.objects.filter(pk__in=list(coded)).select_related("codebook")
    return list(rows.order_by("codebook", "number"))


def last_run(study: Study, revision: Revision) -> Run | None:
    """Return the latest run of `study` under `revision` that coded anything."""
    return next(_that_coded(study.runs.filter(revision=revision)), None)


def _that_coded(runs: QuerySet[Run]) -> Iterator[Run]:
    """Yield those of `runs` that coded anything, the latest first, without replicates."""
    rows = runs.filter(replicate=0).order_by("-pk")
    return (run for run in rows.iterator() if run.codings.exists())


def comparable(study: Study) -> list[Run]:
    """Return the runs of `study` that coded anything, the latest first; replicates last."""
    coded = Coding.objects.filter(run__study=study).order_by().values("run").distinct()
    runs = study.runs.filter(pk__in=coded).select_related("revision")
    return list(runs.order_by("replicate", "-pk"))
