"""Time the report on 80,508 interviews × 60 codes of which 3,000 are coded by two people.

The study is made up in a temporary SQLite database. Run with `python -m benchmarks.report`; the
bars are 10 seconds for the whole report, 2 for agreement (B = 2,000), and 0.2 for its page again.
Beside them stands what a loop over the `krippendorff` package would take, timed on a few calls and
extrapolated.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
from numpy.typing import NDArray

INTERVIEWS, CODES, REVIEWED, LANGUAGES, BATCH = 80_508, 60, 3_000, 70, 5_000
REPLICATES = 2_000


def labels(rng: np.random.Generator, units: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what holds and what the machine says, units × codes: about 5 marks an interview."""
    truth = rng.random((units, CODES)) < rng.uniform(0.01, 0.15, CODES)
    missed = rng.random(truth.shape) < 0.15
    invented = rng.random(truth.shape) < 0.01
    return truth, (truth & ~missed) | invented


def batches(total: int) -> Iterator[range]:
    for start in range(0, total, BATCH):
        yield range(start, min(start + BATCH, total))


def build(interviews: int) -> Any:
    """Fill the database and return the study."""
    from django.contrib.auth.models import User
    from django.db import transaction

    from codebooks.models import Code, Codebook, Dimension, Kind, Revision
    from coding.models import Coding, Evidence, Mark, Run, Work
    from reviews.models import Assignment, Item, Sample
    from studies.models import Membership, Participant, Role, Segment, Study, Transcript

    rng = np.random.default_rng(80_508)
    study = Study.objects.create(slug="large", name="Large")
    codebook = Codebook.objects.create(study=study, name="Large")
    revision = Revision.objects.create(codebook=codebook, number=1, digest="0" * 64)
    codes = []
    for number in range(6):
        dimension = Dimension.objects.create(
            revision=revision, position=number, key=f"d{number}", label="D", kind=Kind.MANY
        )
        codes += [
            Code(dimension=dimension, position=place, key=f"c{place}", label=f"Code {place}")
            for place in range(CODES // 6)
        ]
    codes = Code.objects.bulk_create(codes)
    dimensions = [f"d{number}" for number in range(6)]
    run = Run.objects.create(study=study, revision=revision, coder="imported", name="m", model="m")
    language = rng.zipf(1.5, interviews) % LANGUAGES
    truth, machine = labels(rng, interviews)
    segments: list[Any] = []
    for batch in batches(interviews):
        with transaction.atomic():
            people = Participant.objects.bulk_create(
                Participant(study=study, external_id=str(n), attributes={"country": f"C{n % 159}"})
                for n in batch
            )
            transcripts = Transcript.objects.bulk_create(
                Transcript(
                    study=study,
                    participant=person,
                    external_id=str(n),
                    language=f"l{language[n]:02}",
                    language_source="declared",
                    digest="0" * 64,
                    length=4,
                    text="text",
                )
                for n, person in zip(batch, people, strict=True)
            )
            own = Segment.objects.bulk_create(
                Segment(transcript=transcript, index=1, start=0, end=4)
                for transcript in transcripts
            )
            segments += own
            Work.objects.bulk_create(Work(run=run, segment=unit, state="done") for unit in own)
            codings = Coding.objects.bulk_create(
                Coding(segment=unit, revision=revision, run=run, dimensions=dimensions)
                for unit in own
            )
            marks = Mark.objects.bulk_create(
                Mark(coding=coding, code=codes[at])
                for n, coding in zip(batch, codings, strict=True)
                for at in np.flatnonzero(machine[n])
            )
            Evidence.objects.bulk_create(
                Evidence(mark=mark, start=0, end=4, found="exact") for mark in marks
            )
    drawn = np.sort(rng.choice(interviews, min(REVIEWED, interviews // 2), replace=False))
    sample = Sample.objects.create(
        study=study,
        revision=revision,
        run=run,
        seed=1,
        frame_digest="0" * 64,
        design={
            "strata": [],
            "sizes": [{"key": "", "population": interviews, "drawn": len(drawn)}],
        },
    )
    with transaction.atomic():
        items = Item.objects.bulk_create(
            Item(
                sample=sample,
                segment=segments[n],
                position=place,
                stratum="",
                inclusion=len(drawn) / interviews,
                coders_wanted=2,
            )
            for place, n in enumerate(drawn)
        )
        for name in ("ann", "ben"):
            person = User.objects.create(username=name)
            Membership.objects.create(study=study, person=person, name=name, role=Role.CODER)
            said = truth[drawn] ^ (rng.random((len(drawn), CODES)) < 0.01)
            codings = Coding.objects.bulk_create(
                Coding(
                    segment=item.segment, revision=revision, person=person, dimensions=dimensions
                )
                for item in items
            )
            Mark.objects.bulk_create(
                Mark(coding=coding, code=codes[at])
                for row, coding in zip(said, codings, strict=True)
                for at in np.flatnonzero(row)
            )
            Assignment.objects.bulk_create(
                Assignment(item=item, person=person, coding=coding)
                for item, coding in zip(items, codings, strict=True)
            )
    return study


def timed(name: str, work: Callable[[], Any], times: int = 1) -> Any:
    """Print the best of so many times, and return what came out."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        spent.append(time.perf_counter() - began)
    print(f"{name:<44} {min(spent):8.2f} s")
    return result


def seconds_of_a_loop(calls: int) -> float:
    """Return what `calls` of the package would take, one for each code and replicate."""
    rng = np.random.default_rng(1)
    ratings = (rng.random((2, REVIEWED)) < 0.1).astype(np.float64)
    timed_calls = 100
    began = time.perf_counter()
    for _ in range(timed_calls):
        drawn = ratings[:, rng.integers(0, REVIEWED, REVIEWED)]
        krippendorff.alpha(
            reliability_data=drawn, level_of_measurement="nominal", value_domain=[0.0, 1.0]
        )
    return (time.perf_counter() - began) / timed_calls * calls


def run(interviews: int) -> None:
    """Build the study, report it, and print what each step took."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.urls import reverse

    from reviews.agreement import agreement_rows
    from reviews.prevalence import design_strata, prevalence_rows
    from reviews.reports import asked_for, report
    from reviews.tables import load_table
    from studies.models import Membership, Role

    call_command("migrate", verbosity=0)
    study = timed("building the study (not the report's time)", lambda: build(interviews))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    machine, sample = study.runs.get(), study.samples.get()
    table = timed("tables", lambda: load_table(study, machine.revision, machine, sample))
    timed(
        f"agreement, B = {REPLICATES}, all and {LANGUAGES} languages",
        lambda: agreement_rows(table, 1, REPLICATES),
        3,
    )
    strata = design_strata(sample, table)
    timed("prevalence", lambda: prevalence_rows(table, strata, [], 1, REPLICATES))
    timed("the whole report", lambda: report(study, replicates=REPLICATES))
    timed("the same report again", lambda: report(study, replicates=REPLICATES), 3)
    timed("of that, its fingerprint", lambda: asked_for(study, replicates=REPLICATES), 3)
    lead = User.objects.create(username="lead")
    Membership.objects.create(study=study, person=lead, name="lead", role=Role.LEAD)
    browser = Client(SERVER_NAME="localhost")
    browser.force_login(lead)
    address = reverse("report_html", args=[study.slug])
    timed("the report's page, first", lambda: browser.get(address))
    timed("the report's page again", lambda: browser.get(address), 3)
    timed(
        "the whole report by language and country",
        lambda: report(study, by=("language", "country")),
    )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loop = seconds_of_a_loop(CODES * REPLICATES)
    print(f"{'a loop over krippendorff, codes over all':<44} {loop:8.0f} s (extrapolated)")
    print(f"peak memory {after / 1024:.0f} MiB ({before / 1024:.0f} MiB after building)")


def main() -> None:
    """Run on a database of its own, which is gone afterwards."""
    print(f"The report on {INTERVIEWS:,} interviews × {CODES} codes, {REVIEWED:,} coded twice")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{Path(folder) / 'report.sqlite3'}"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django

        django.setup()
        run(INTERVIEWS)


if __name__ == "__main__":
    main()
