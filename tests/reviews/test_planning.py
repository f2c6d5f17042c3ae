"""How many reviews, where, and when it is enough."""

import json
import math

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from coding.models import Coding
from reviews.models import Assignment, Sample
from reviews.planning import Assumed, Rule, declare, planned
from reviews.sampling import continue_sample, draw_sample
from reviews.stats.designs import plan
from studies.models import Event, Role, Study
from studies.problems import Problem
from tests.factories import make_coding, make_person, make_revision, make_run, make_segment

pytestmark = pytest.mark.django_db


def make_pilot(size: int = 60, wrong_in: str = "sw") -> tuple[Study, Sample]:
    """200 segments in two languages, a third with hope; the machine errs in one of them alone."""
    revision = make_revision(many=("hope",))
    study = revision.codebook.study
    run = make_run(revision)
    true = {}
    for language in ("en", "sw"):
        for number in range(100):
            segment = make_segment(
                "x", study, language=language, external_id=f"{language}{number:03}"
            )
            true[segment.pk] = number % 3 == 0
            slip = language == wrong_in and number % 4 == 0
            make_coding(
                segment, revision, run=run, codes=["hope"] if true[segment.pk] != slip else []
            )
    sample = draw_sample(study, size=size, strata=["language"], seed=3)
    answer(sample, true, make_person("mara", study))
    return study, sample


def answer(sample: Sample, true: dict[int, bool], person: User, first: int = 1000) -> None:
    for item in sample.items.filter(assignments=None).order_by("position")[:first]:
        coding = make_coding(
            item.segment,
            sample.revision,
            person=person,
            codes=["hope"] if true[item.segment_id] else [],
        )
        Assignment.objects.create(
            item=item, person=person, coding=coding, answered_at=coding.created_at
        )


def test_what_people_reviewed_counts_where_the_machine_decided_nothing() -> None:
    study, sample = make_pilot()
    Coding.objects.filter(run__isnull=False, segment__transcript__language="sw").delete()
    [stratum] = [one for one in planned(study, half_width=0.02).strata if one.key == "sw"]
    assert stratum.reviewed == sample.items.filter(stratum="sw").count() > 0
    assert math.isnan(stratum.errors)


def test_before_any_coding_the_plan_is_made_with_assumed_rates() -> None:
    study, _sample = make_pilot()
    made = planned(study, half_width=0.1, assumed=Assumed(0.2, 0.8, 0.95))
    need = next(one for one in made.before if one.rates.prevalence == 0.2 and not one.language)
    expected = plan(0.2, 0.8, 0.95, 0.1, 200)
    assert (need.human, need.proportional, need.neyman) == (
        expected.human,
        expected.proportional,
        expected.neyman,
    )
    assert {one.language: one.population for one in made.before if one.language} == {
        "en": 100,
        "sw": 100,
    }


def test_after_a_pilot_a_code_that_is_narrow_enough_needs_nothing_more() -> None:
    study, _sample = make_pilot()
    wide = next(one for one in planned(study, half_width=0.02).after if one.language is None)
    narrow = next(one for one in planned(study, half_width=0.2).after if one.language is None)
    assert wide.more == max(1, wide.proportional - 60) > 0
    assert narrow.more == 0
    assert 0.2 < wide.rates.prevalence < 0.5
    assert wide.now == narrow.now


def test_the_next_reviews_go_where_the_machine_was_wrong() -> None:
    study, sample = make_pilot()
    made = planned(study, half_width=0.04)
    more = {one.key: one.more for one in made.strata if one.more}
    assert more["sw"] > more["en"]
    found = {one.key: one for one in made.strata}
    assert found["en"].errors == 0
    assert found["sw"].errors > 0.1
    further = continue_sample(sample, more=more, seed=4)
    assert further.items.count() == sum(more.values())


def test_a_rule_is_declared_before_the_first_answer_and_kept() -> None:
    revision = make_revision(many=("hope",))
    study = revision.codebook.study
    for number in range(30):
        make_segment("x", study, external_id=str(number))
    make_coding(
        make_segment("y", study, external_id="coded"), revision, run=make_run(revision), codes=[]
    )
    sample = draw_sample(study, size=20, seed=1)
    declare(sample, Rule((10, 20), 0.1, ("topics/hope",)))
    verdict = planned(study).verdict
    assert verdict is not None
    assert (verdict.decision, verdict.look, verdict.next_look) == ("wait", None, 10)
    assert Event.objects.filter(study=study, subject=f"rule {sample.pk}").exists()

    answer(sample, {item.segment_id: True for item in sample.items.all()}, make_person(), 1)
    with pytest.raises(Problem, match="declared before they begin"):
        declare(sample, Rule((5,), 0.4))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Rule((), 0.05), "Looks are numbers"),
        (Rule((20, 10), 0.05), "larger than the one before"),
        (Rule((10,), 0.6), "half-width"),
        (Rule((10,), 0.05, ("topics/joy",)), "no code"),
        (Rule((10,), 0.05, (), ("xx",)), "No interview"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused(rule: Rule, said: str) -> None:
    revision = make_revision(many=("hope",))
    study = revision.codebook.study
    segment = make_segment("x", study, external_id="1")
    make_coding(segment, revision, run=make_run(revision))
    sample = draw_sample(study, size=1, seed=1)
    with pytest.raises(Problem) as problem:
        declare(sample, rule)
    assert said in problem.value.sentence(str)


def test_at_a_look_the_rule_says_stop_or_how_many_more_and_where() -> None:
    study, sample = make_pilot()
    Sample.objects.filter(pk=sample.pk).update(
        rule={"looks": [50, 100], "half_width": 0.02, "codes": [], "languages": ["sw"]}
    )
    verdict = planned(study).verdict
    assert verdict is not None
    assert (verdict.decision, verdict.reviewed, verdict.look, verdict.next_look) == (
        "go_on",
        60,
        50,
        100,
    )
    assert {(one.language, one.what) for one in verdict.unmet} >= {
        (None, "half_width"),
        ("sw", "half_width"),
    }
    assert sum(one.more for one in verdict.strata) == min(
        140, max(one.more for one in verdict.unmet)
    )

    Sample.objects.filter(pk=sample.pk).update(
        rule={"looks": [50, 100], "half_width": 0.3, "codes": ["topics/hope"], "languages": []}
    )
    verdict = planned(study).verdict
    assert verdict is not None
    assert (verdict.decision, verdict.unmet) == ("stop", ())


@pytest.mark.parametrize(
    ("role", "status"), [(Role.LEAD, 200), (Role.READER, 200), (Role.CODER, 404)]
)
def test_the_page_is_for_leads_and_readers(role: Role, status: int) -> None:
    study, _sample = make_pilot()
    client = Client()
    client.force_login(
        make_person("someone", study, role),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    answer = client.get(f"/studies/{study.slug}/plan/?half_width=4&prevalence=20&sensitivity=80&"
                        "specificity=95")  # fmt: skip
    assert answer.status_code == status
    if status == 200:
        assert "Where the next ones go" in answer.content.decode()
        wrong = client.get(f"/studies/{study.slug}/plan/?half_width=4&prevalence=0&sensitivity=80")
        assert "Give it in per cent: a number from 0.01 to 99.99." in wrong.content.decode()
    assert client.get(f"/api/studies/{study.slug}/plan/?half_width=4").status_code == status


def test_the_command_declares_a_rule_and_prints_the_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study, sample = make_pilot()
    Assignment.objects.all().delete()
    call_command("plan", study.slug, "--looks", "30,60", "--half-width", "4", "--json")
    made = json.loads(capsys.readouterr().out)
    assert made["rule"] == {"looks": [30, 60], "half_width": 0.04, "codes": [], "languages": []}
    assert made["before"][0]["now"] is None
    sample.refresh_from_db()
    assert sample.rule is not None
    assert sample.rule["looks"] == [30, 60]
    call_command("plan", study.slug)
    assert "Declared: look at 30, 60 reviewed segments" in capsys.readouterr().out
