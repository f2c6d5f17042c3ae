from decimal import Decimal

import pytest
from django.utils import timezone

from coding import bulk
from coding.models import Attempt, Coding, Mark, Outcome, Work
from tests.factories import make_revision, make_run, make_segment, make_study


@pytest.mark.django_db
def test_rows_written_at_once_are_those_that_the_models_would_have_written() -> None:
    study = make_study()
    revision = make_revision(study)
    run = make_run(revision)
    segments = [make_segment(f"Text {number}.", study) for number in range(3)]
    now = timezone.now()
    bulk.insert(
        Coding,
        ("segment_id", "revision_id", "run_id", "dimensions", "created_at"),
        [(s.pk, revision.pk, run.pk, ["topics", "ö"], bulk.moment(now)) for s in segments],
    )
    first = Coding.objects.order_by("pk")[0]
    plain = Coding(segment=segments[0], revision=revision, run=run, dimensions=["topics", "ö"])
    for field in Coding._meta.concrete_fields:
        if field.name not in ("id", "created_at"):
            assert getattr(first, field.attname) == getattr(plain, field.attname), field.name
    assert first.created_at == now
    code = revision.dimensions.get().codes.order_by("pk")[0]
    names = ("coding_id", "code_id", "value", "confidence", "rationale")
    codings = list(Coding.objects.values_list("pk", flat=True))
    rows = [(codings[0], code.pk, None, None, ""), (codings[1], code.pk, 1.5, 0.25, "Quote's %s")]
    bulk.insert(Mark, names, rows)
    assert list(Mark.objects.order_by("pk").values_list(*names)) == rows
    assert set(Mark.objects.values_list("answer", flat=True)) == {"yes"}


@pytest.mark.django_db
def test_many_rows_are_changed_at_once_each_to_its_own_and_nothing_else() -> None:
    run = make_run(make_revision())
    works = [
        Work.objects.create(run=run, segment=make_segment(f"{n}", run.study)) for n in range(1_100)
    ]
    now = bulk.moment(timezone.now())
    bulk.insert(
        Attempt,
        ("work_id", "number", "sent_at", "model", "cost"),
        [(work.pk, 1, now, "m", Decimal("0.0000000003")) for work in works],
    )
    assert set(Attempt.objects.values_list("cost", flat=True)) == {Decimal("0.0000000003")}
    bulk.update(
        Attempt,
        2,
        ("work_id", "number", "settled_at", "outcome", "answer", "input_tokens", "cost"),
        [
            (work.pk, 1, now, "ok", b"\x00\xff" if n % 2 else None, n or None, Decimal(n) / 8)
            for n, work in enumerate(works[:-1])
        ],
    )
    found = Attempt.objects.order_by("work_id")
    for n, row in enumerate(found[: len(works) - 1]):
        answer = None if row.answer is None else bytes(row.answer)
        assert (row.outcome, row.input_tokens, row.cost) == ("ok", n or None, Decimal(n) / 8)
        assert answer == (b"\x00\xff" if n % 2 else None)
    assert Attempt.objects.get(work=works[-1]).outcome == Outcome.SENT


@pytest.mark.django_db
def test_a_condition_on_many_keys_is_one_value() -> None:
    run = make_run(make_revision())
    works = [Work.objects.create(run=run, segment=make_segment(f"{n}", run.study)) for n in "abc"]
    found = bulk.rows_of(
        "SELECT id FROM coding_work WHERE id {among} ORDER BY id {locked}",
        bulk.listed(work.pk for work in works[1:]),
    )
    assert found == [(work.pk,) for work in works[1:]]
    assert bulk.rows_of("SELECT id FROM coding_work WHERE id {among}", bulk.listed([])) == []
