"""From interviews with a planted truth, through a model that errs, to what the study reports."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest

from coding.loop import work_loop
from coding.models import Coding, Mark, Run
from coding.replicates import start_replicates
from coding.runs import coder_for, start_run
from reviews.reports import as_json, report
from reviews.sampling import draw_sample
from reviews.stability import as_json as stability_as_json
from reviews.stability import stability
from studies.models import Segment, Study
from tests.factories import make_revision, make_segment, make_study
from tests.reviews.test_prevalence import reviewed
from tests.reviews.test_reports import row
from tests.simulator.server import Running

pytestmark = pytest.mark.django_db
COUNT = 400
FINDS = {"sw": 0.6, "*": 0.95}
LEAVES = {"sw": 0.8, "*": 0.97}


def planted(count: int = COUNT) -> tuple[Study, list[Segment], list[bool]]:
    """Return a study in two languages, and in which of its interviews there is hope."""
    study = make_study()
    make_revision(study)
    holds = (np.random.default_rng(80_508).random(count) < 0.4).tolist()
    segments = [
        make_segment(
            f"Number {n}. [[sim: language={language}; topics={'hope' if yes else ''}]]",
            study,
            external_id=f"t{n:03}",
            language=language,
        )
        for n, yes in enumerate(holds)
        for language in [("en", "sw")[n % 2]]
    ]
    return study, segments, holds


def coded(study: Study, threads: int = 4) -> Run:
    run = start_run(study, "claude")
    with closing(coder_for(run)) as coder:
        assert work_loop(run, coder, threads=threads)["finished"]
    return run


def table(run: Run) -> list[tuple[Any, ...]]:
    """Return what the run says: who, which code, where."""
    names = ("coding__segment__transcript__external_id", "code__key")
    marks = Mark.objects.filter(coding__run=run).values_list(
        *names, "confidence", "evidence__start", "evidence__end", "evidence__found"
    )
    return [*marks.order_by(*names, "evidence__start")]


def test_what_was_planted_is_what_is_found_wherever_people_look(
    simulator: Running,
) -> None:
    simulator.service.configure(sensitivity=FINDS, specificity=LEAVES, seed=4)
    study, segments, holds = planted()
    run = coded(study)
    marked = set(
        Coding.objects.filter(run=run, marks__code__key="hope").values_list("segment_id", flat=True)
    )
    machine = [segment.pk in marked for segment in segments]
    truth = sum(holds) / COUNT
    # So many errors, and of two kinds, that a share of machine labels is far from the truth.
    swahili = [yes for n, yes in enumerate(machine) if n % 2]
    assert sum(swahili) / len(swahili) == pytest.approx(0.4 * 0.6 + 0.6 * 0.2, abs=0.07)
    covered = 0
    for seed in range(20):
        sample = draw_sample(study, size=120, strata=["language"], seed=seed, run=run)
        reviewed(sample, segments, holds, f"ann-{seed}")
        found = as_json(report(study, run=run, sample=sample, replicates=50))
        one = row(found["prevalence"], code="hope", domain={})
        assert one["machine"] == pytest.approx(sum(machine) / COUNT)
        covered += one["low"] <= truth <= one["high"]
    assert covered >= 18
    found = as_json(report(study, run=run, sample=sample, by=["language"], replicates=50))
    for language in ("en", "sw"):
        score = row(found["machine"]["accuracy"], code="hope", domain={"language": language})
        finds, leaves = (shares.get(language, shares["*"]) for shares in (FINDS, LEAVES))
        assert score["recall_low"] <= finds <= score["recall_high"]
        assert score["specificity_low"] <= leaves <= score["specificity_high"]


def test_the_same_seed_gives_the_same_table_however_many_ask(
    simulator: Running,
) -> None:
    tables = []
    for seed, threads in ((1, 1), (1, 6), (2, 6)):
        simulator.service.configure(sensitivity=FINDS, specificity=LEAVES, seed=seed)
        tables.append(table(coded(planted(60)[0], threads)))
    assert tables[0] == tables[1] != tables[2]


def test_a_model_that_wavers_agrees_with_itself_as_often_as_it_was_made_to(
    simulator: Running,
) -> None:
    simulator.service.configure(sensitivity={"*": 0.8}, specificity={"*": 0.9}, stochastic=True)
    study, _segments, holds = planted(200)
    run = coded(study)
    for again in start_replicates(run, 3, share=1.0, seed=4):
        with closing(coder_for(again)) as coder:
            assert work_loop(again, coder, threads=4)["finished"]
    [one] = [
        line
        for line in stability_as_json(stability(study, run, replicates=50))["rows"]
        if line["code"] == "hope" and line["language"] is None
    ]
    yes = sum(holds) / len(holds)
    same = yes * (0.8**2 + 0.2**2) + (1 - yes) * (0.9**2 + 0.1**2)
    assert one["percent"] == pytest.approx(same, abs=0.05)
    assert 0 < one["low"] < one["estimate"] < one["high"] < 1
