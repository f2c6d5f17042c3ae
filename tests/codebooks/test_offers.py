"""A codebook is shown before it is kept, and kept as it was shown or not at all."""

from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing

from codebooks.exchange import Book, CodeSpec, DimensionSpec, parsed, written
from codebooks.imports import keep
from codebooks.models import Code, Codebook, Revision
from codebooks.offers import SALT, accept, offer, sources
from codebooks.revisions import as_book, freeze
from studies.models import Role, Study
from studies.problems import Problem
from tests.codebooks.test_imports import YAML, book, changed
from tests.factories import make_person, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_study("hopes")


@pytest.fixture
def lead(study: Study) -> User:
    return make_person("ana", study, Role.LEAD)


def test_an_offer_changes_nothing_until_it_is_accepted(study: Study, lead: User) -> None:
    found = offer(study, lead, book())
    assert (found.place.name, found.place.number, found.against) == ("Hopes", 1, None)
    assert not Codebook.objects.exists()
    revision = accept(study, lead, found.seal)
    assert as_book(revision) == book()
    assert accept(study, lead, found.seal) == revision
    assert Revision.objects.count() == 1


def test_an_offer_says_which_revision_it_becomes(study: Study, lead: User) -> None:
    first = keep(study, book())
    found = offer(study, lead, changed())
    assert (found.place.replaces, found.place.number) == (True, 1)
    freeze(first)
    found = offer(study, lead, changed())
    assert (found.place.replaces, found.place.number) == (False, 2)
    assert found.crosswalk is not None
    assert [code.spec.label for code in found.crosswalk.dimensions[0].touched] == ["Wage"]
    assert accept(study, lead, found.seal).number == 2
    assert as_book(first) == book()


def test_the_same_codebook_once_more_is_seen_to_be_the_same(study: Study, lead: User) -> None:
    keep(study, book())
    assert offer(study, lead, book()).same
    other = offer(study, lead, book(YAML.replace("language: es", "language: pt")))
    assert not other.same
    assert accept(study, lead, other.seal).codebook.language == "pt"


def test_a_new_name_is_compared_with_the_codebook_that_is_in_use(study: Study, lead: User) -> None:
    keep(study, book())
    found = offer(study, lead, changed(), "Other")
    assert (found.place.name, found.place.latest) == ("Other", None)
    assert str(found.against) == "Hopes 1"


def test_what_somebody_else_kept_meanwhile_is_not_written_over(study: Study, lead: User) -> None:
    first = keep(study, book())
    found = offer(study, lead, changed())
    keep(study, book(YAML.replace("label: Pay", "label: Income")))
    with pytest.raises(Problem, match="changed “Hopes” meanwhile"):
        accept(study, lead, found.seal)
    found = offer(study, lead, changed())
    freeze(first)  # it would have been replaced, and is in use now
    with pytest.raises(Problem, match="meanwhile"):
        accept(study, lead, found.seal)
    assert Revision.objects.count() == 1


def test_a_seal_is_good_for_its_study_and_its_person_and_for_a_day(
    study: Study, lead: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = offer(study, lead, book()).seal
    other = make_study("other")
    colleague = make_person("ben", study, Role.LEAD)
    forged = signing.dumps({"study": study.pk}, key="another", salt=SALT)
    for where, who, given in (
        (other, lead, seal),
        (study, colleague, seal),
        (study, lead, seal[:-1] + ("a" if seal[-1] != "a" else "b")),
        (study, lead, forged),
        (study, lead, ""),
    ):
        with pytest.raises(Problem, match="too old to be kept, or not whole"):
            accept(where, who, given)
    monkeypatch.setattr("codebooks.offers.GOOD_FOR", -1)
    with pytest.raises(Problem, match="too old"):
        accept(study, lead, seal)
    assert not Codebook.objects.exists()


def test_a_codebook_too_large_for_a_page_is_for_the_command(study: Study, lead: User) -> None:
    chance = Random(1)  # noqa: S311  what no compression makes small
    codes = tuple(
        CodeSpec(f"c{n}", f"C {n}", definition=chance.randbytes(300).hex()) for n in range(10_000)
    )
    large = Book("Large", "en", (DimensionSpec("d", "D", "many", codes=codes),))
    with pytest.raises(Problem, match="import_codebook hopes PATH"):
        offer(study, lead, large)


def test_the_codebook_of_another_study_is_taken_over_with_its_guids(
    study: Study, lead: User
) -> None:
    elsewhere = make_study("elsewhere")
    make_person("ben", elsewhere)
    elsewhere.memberships.create(person=lead, name="ana", role=Role.READER)
    source = keep(elsewhere, book())
    found = offer(study, lead, as_book(source), "", source)
    revision = accept(study, lead, found.seal)
    assert revision.codebook.derived_from == source.codebook
    assert (revision.number, revision.digest) == (1, source.digest)
    guids = Code.objects.values_list("dimension__revision", "key", "guid")
    known: dict[Any, set[Any]] = {}
    for pk, key, guid in guids:
        known.setdefault(pk, set()).add((key, guid))
    assert known[revision.pk] == known[source.pk]
    event = study.events.get()
    assert event.action == "codebook_taken_over"
    assert event.after == {"revision": 1, "digest": source.digest, "from": "elsewhere: Hopes 1"}


def test_what_is_taken_over_into_a_codebook_of_that_name_is_its_next_revision(
    study: Study, lead: User
) -> None:
    own = freeze(keep(study, book()))
    elsewhere = make_study("elsewhere")
    elsewhere.memberships.create(person=lead, name="ana", role=Role.LEAD)
    source = keep(elsewhere, changed())
    revision = accept(study, lead, offer(study, lead, as_book(source), None, source).seal)
    assert (revision.codebook, revision.number) == (own.codebook, 2)
    assert revision.codebook.derived_from is None


def test_only_codebooks_that_a_person_leads_or_reads_can_be_taken_over(
    study: Study, lead: User
) -> None:
    roles = {"led": Role.LEAD, "read": Role.READER, "coded": Role.CODER, "closed": None}
    for slug, role in roles.items():
        other = make_study(slug)
        keep(other, book())
        if role:
            other.memberships.create(person=lead, name="ana", role=role)
    keep(study, book())
    assert [one.codebook.study.slug for one in sources(lead, study)] == ["led", "read"]
    runs_the_site = User.objects.create_superuser("root")
    assert sources(runs_the_site, study).count() == 4


def test_who_lost_the_right_to_read_it_cannot_take_it_over_any_more(
    study: Study, lead: User
) -> None:
    elsewhere = make_study("elsewhere")
    member = elsewhere.memberships.create(person=lead, name="ana", role=Role.READER)
    source = keep(elsewhere, book())
    seal = offer(study, lead, as_book(source), None, source).seal
    member.delete()
    with pytest.raises(Problem, match="too old to be kept"):
        accept(study, lead, seal)


def test_what_was_offered_is_what_every_form_says(study: Study, lead: User) -> None:
    for form in (".yaml", ".csv", ".xlsx", ".qdc"):
        content, _losses = written(book(), form)
        found = offer(study, lead, parsed(content, f"b{form}"))
        assert as_book(accept(study, lead, found.seal)) == book()
    assert Revision.objects.count() == 1
