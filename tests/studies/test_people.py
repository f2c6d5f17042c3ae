"""Studies and their people."""

import pytest
from django.contrib.auth.models import User

from studies.models import Role
from studies.people import add_person, coder_named, create_study, study_named
from studies.problems import Problem
from tests.factories import make_person, make_study

pytestmark = pytest.mark.django_db


def test_a_study_is_made_once() -> None:
    study, created = create_study("hopes", " Hopes  and worries ", fictional=True)
    assert (study.name, study.fictional, created) == ("Hopes and worries", True, True)
    assert create_study("hopes", "Hopes and worries", fictional=True) == (study, False)
    with pytest.raises(Problem, match="already a study “hopes”, named “Hopes and worries”"):
        create_study("hopes", "Something else")


@pytest.mark.parametrize("slug", ["", "Two words", "ünïcode", "UPPER", "x" * 51, "a/b"])
def test_a_short_name_must_fit_into_an_address(slug: str) -> None:
    with pytest.raises(Problem, match="can’t be a study’s short name"):
        create_study(slug, "Name")


def test_a_study_needs_a_name() -> None:
    with pytest.raises(Problem, match="needs a name"):
        create_study("hopes", "  ")


def test_an_unknown_study_is_answered_with_those_that_exist() -> None:
    with pytest.raises(Problem, match=r"nor any other: make it with `manage.py create_study x"):
        study_named("x")
    make_study("one")
    two = make_study("two")
    with pytest.raises(Problem, match="the studies are: one, two"):
        study_named("x")
    assert study_named("two") == two


def test_a_coder_is_the_member_of_that_name() -> None:
    study = make_study()
    ana = make_person("ana", study, Role.LEAD)
    assert coder_named(study, "ana") == ana
    assert study.memberships.get().role == Role.LEAD


def test_a_coder_nobody_knows_is_made_without_a_password() -> None:
    study = make_study()
    ben = coder_named(study, " Ben  B. ")
    assert (ben.username, ben.has_usable_password()) == ("Ben B.", False)
    assert coder_named(study, "Ben B.") == ben
    assert study.memberships.get().role == Role.CODER


def test_an_account_outside_the_study_is_never_taken() -> None:
    admin = User.objects.create_superuser("admin", password="long enough")
    study, other = make_study("one"), make_study("two")
    coder = coder_named(study, "admin")
    assert coder != admin
    assert (coder.username, coder.is_superuser) == ("admin@one", False)
    assert coder_named(other, "admin").username == "admin@two"
    assert coder_named(study, "admin") == coder


@pytest.mark.parametrize("name", ["", " ", "x" * 151, "a\x00b"])
def test_a_name_must_be_one(name: str) -> None:
    with pytest.raises(Problem, match="can’t be a person’s name"):
        coder_named(make_study(), name)


def test_a_person_is_added_with_a_password_of_their_own() -> None:
    study = make_study()
    person, password = add_person(study, "ana", "lead")
    assert password
    assert person.check_password(password)
    assert add_person(study, "ana", Role.LEAD) == (person, None)
    assert study.memberships.get().role == Role.LEAD
    add_person(study, "ana", "reader")
    assert study.memberships.get().role == Role.READER


def test_an_account_that_exists_joins_and_keeps_its_password() -> None:
    ana = make_person("ana")
    assert add_person(make_study(), "ana", "coder") == (ana, None)
    assert User.objects.get().check_password("a long password")


def test_a_coder_whom_an_import_made_gets_a_password_when_added() -> None:
    study = make_study()
    coder = coder_named(study, "ben")
    person, password = add_person(study, "ben", "coder")
    assert person == coder
    assert password


def test_a_role_must_be_one() -> None:
    with pytest.raises(Problem, match="“boss” is no role: choose one of lead, coder, reader"):
        add_person(make_study(), "ana", "boss")
