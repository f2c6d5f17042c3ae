"""Studies and their people."""

import pytest
from django.contrib.auth.models import User

from studies.models import Role
from studies.people import add_person, coder_named, create_study, free_slug, study_named
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


def test_whoever_makes_a_study_leads_it_under_their_name() -> None:
    ana = make_person("ana")
    study, _created = create_study(
        "hopes", "Hopes", unit="answer", evidence_required=True, lead=ana
    )
    assert (study.unit, study.evidence_required) == ("answer", True)
    assert [(one.name, one.person, one.role) for one in study.memberships.all()] == [
        ("ana", ana, Role.LEAD)
    ]
    assert [(one.action, one.subject, one.after) for one in study.events.all()] == [
        ("study_made", "hopes", {"name": "Hopes", "unit": "answer", "evidence_required": True}),
        ("added", "ana", {"role": "lead"}),
    ]


def test_whoever_leads_a_study_gets_it_again_and_nobody_else_even_its_name() -> None:
    ana, ben = make_person("ana"), make_person("ben")
    study, _created = create_study("hopes", "Hopes", unit="interview", lead=ana)
    assert create_study("hopes", "Hopes", unit="interview", lead=ana) == (study, False)
    with pytest.raises(Problem, match="named “Hopes”"):
        create_study("hopes", "Hopes", unit="answer", lead=ana)
    with pytest.raises(Problem, match="is taken already") as problem:
        create_study("hopes", "Hopes", unit="interview", lead=ben)
    assert "Hopes" not in str(problem.value)
    assert study.memberships.count() == 1


def test_a_short_name_is_made_from_the_name_and_free() -> None:
    ana, ben = make_person("ana"), make_person("ben")
    assert free_slug("Höpes & worries!", ana) == "hopes-worries"
    assert free_slug("آمال ومخاوف", ana) == "study"
    assert free_slug("", ana) == "study"
    create_study("study", "آمال ومخاوف", lead=ana)
    assert free_slug("آمال  ومخاوف", ana) == "study"  # sent twice, it is one
    assert free_slug("آمال ومخاوف", ben) == free_slug("مخاوف", ana) == "study-2"
    assert len(free_slug("x" * 200, ana)) <= 50


def test_a_name_loses_what_no_database_holds_and_keeps_what_scripts_need() -> None:
    name = "\x00می\u200cخواهم\ud800\x07"
    assert create_study("hopes", name)[0].name == "می\u200cخواهم"


@pytest.mark.parametrize(
    "name",
    ["علی\u200cرضا", "محمّد\u200cرضا", "രാജന്\u200d", "ක්\u200dරිස්", "র\u200d্যান", "क्\u200cष"],
)
def test_names_keep_the_joiners_that_their_script_needs(name: str) -> None:
    study = make_study()
    person = coder_named(study, name)
    assert coder_named(study, f" {name} ") == person
    assert study.memberships.get().name == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "an\u200ca",
            "an\u200da",
            "\u200cعلی",
            "علی\u200c",
            "علی\u200c\u200cرضا",
            "علی\u200c رضا",
        ),
        *(
            "\u200c",
            "\u200d्",
            "a\u200b",
            "a\u2060b",
            "a\u202eb",
            "\u2066a\u2069",
            "a\ufeffb",
            "a\x07",
        ),
        *("علی\u200cana", "a\u00adb", "ع\u061cلی", "علی\u200fرضا"),
    ],
)
def test_names_hold_nothing_else_that_cannot_be_seen(name: str) -> None:
    with pytest.raises(Problem, match="can’t be a person’s name"):
        coder_named(make_study(), name)


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
