"""Revisions: which holds, and that a frozen one stays."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from codebooks.models import Code, Dimension, Kind, Revision, Wording
from codebooks.revisions import as_book, current_revision, digest, freeze
from studies.problems import Problem
from tests.factories import make_revision, make_study

pytestmark = pytest.mark.django_db


def test_the_newest_revision_of_the_studys_codebooks_holds() -> None:
    study = make_study()
    make_revision(study)
    newest = make_revision(study)
    make_revision(make_study())
    assert current_revision(study) == newest


def test_a_study_without_a_codebook_is_told_how_to_get_one() -> None:
    with pytest.raises(Problem, match=r"manage\.py import_codebook empty PATH"):
        current_revision(make_study("empty"))


def test_a_revision_is_frozen_once() -> None:
    revision = make_revision()
    stale = Revision.objects.get(pk=revision.pk)
    first = freeze(revision).frozen_at
    assert first is not None
    assert freeze(stale).frozen_at == first
    assert freeze(revision).frozen_at == first


def test_a_revision_without_dimensions_is_not_frozen() -> None:
    revision = make_revision()
    revision.dimensions.all().delete()
    with pytest.raises(Problem, match="has no dimensions"):
        freeze(revision)


def test_a_revision_is_a_book_in_few_queries(django_assert_num_queries: Any) -> None:
    revision = make_revision(many=[f"c{n}" for n in range(40)], one=["pro", "con"], scale=(0, 10))
    code = Code.objects.get(key="c1")
    Wording.objects.create(code=code, language="de", texts={"label": "Eins", "include": ""})
    Code.objects.filter(key="c2").update(parent=code, examples=[{"text": "x"}])
    revision = Revision.objects.select_related("codebook").get(pk=revision.pk)
    with django_assert_num_queries(4):
        book = as_book(revision)
    topics, stance, trust = book.dimensions
    assert [one.kind for one in book.dimensions] == ["many", "one", "scale"]
    assert topics.codes[1].wordings[0].texts == (("label", "Eins"),)
    assert topics.codes[2].parent == "c1"
    assert topics.codes[2].examples[0].language == "en"
    assert [one.key for one in stance.codes] == ["pro", "con"]
    assert (trust.codes, trust.minimum, trust.maximum) == ((), 0, 10)
    assert len(digest(book)) == 64


def test_the_administration_shows_codebooks_and_changes_nothing_in_them(client: Client) -> None:
    revision = make_revision(one=["pro"], scale=(0, 1))
    Wording.objects.create(dimension=Dimension.objects.first(), language="de", texts={"label": "T"})
    client.force_login(User.objects.create_superuser("root"))
    for row in (
        revision.codebook,
        revision,
        Dimension.objects.filter(kind=Kind.ONE).get(),
        Code.objects.filter(key="pro").get(),
        Wording.objects.get(),
    ):
        name = row._meta.model_name
        assert client.get(reverse(f"admin:codebooks_{name}_changelist")).status_code == 200
        page = reverse(f"admin:codebooks_{name}_change", args=[row.pk])
        assert client.get(page).status_code == 200
        assert client.get(reverse(f"admin:codebooks_{name}_add")).status_code == 403
        assert client.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403
        if row is not revision.codebook:
            assert client.post(page, {"key": "x", "number": 9}).status_code == 403
