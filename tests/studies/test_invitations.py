"""Invitations: good once, for days, until withdrawn; nobody learns the secret from the database."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.test import Client
from django.utils import timezone

from studies.invitations import (
    LASTS,
    accept,
    accept_as_new,
    digest_of,
    invite,
    open_invitations,
    withdraw,
)
from studies.models import Event, Invitation, Membership, Role, Study
from studies.people import coder_named
from studies.problems import Problem
from tests.factories import make_person, make_study

pytestmark = pytest.mark.django_db
PASSWORD = "a long password of mine"


@pytest.fixture
def study() -> Study:
    return make_study("hopes")


@pytest.fixture
def lead(study: Study) -> User:
    return make_person("ana", study, Role.LEAD)


def test_an_account_joins_once_in_the_role_it_was_invited_to(study: Study, lead: User) -> None:
    invitation, secret = invite(study, lead, " Ben  B. ", "coder", ["German", "sw", ""])
    ben = make_person("ben")
    member = accept(digest_of(secret), ben)
    assert (member.name, member.role, member.reads) == ("Ben B.", "coder", ["de", "sw"])
    with pytest.raises(Problem, match="not good any more"):
        accept(digest_of(secret), make_person())
    invitation.refresh_from_db()
    assert (invitation.accepted_by, list(open_invitations())) == (ben, [])


def test_only_a_digest_is_kept(study: Study, lead: User) -> None:
    _invitation, secret = invite(study, lead, "ben", "coder")
    assert len(secret) >= 40
    for model in (Invitation, Event):
        assert secret not in serializers.serialize("json", model.objects.all())


def test_an_invitation_ends_after_days_or_when_withdrawn(study: Study, lead: User) -> None:
    old, secret = invite(study, lead, "ben", "coder")
    assert timedelta(days=6) < old.ends_at - timezone.now() <= LASTS
    Invitation.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Problem, match="not good any more"):
        accept(digest_of(secret), make_person())
    other, secret = invite(study, lead, "ben", "coder")
    withdraw(other, lead)
    withdraw(other, lead)
    with pytest.raises(Problem, match="not good any more"):
        accept_as_new(digest_of(secret), "ben", PASSWORD)
    assert Event.objects.filter(action="invitation_withdrawn").count() == 1


def test_a_new_person_chooses_a_name_that_is_free(study: Study, lead: User) -> None:
    _invitation, secret = invite(study, lead, "ben", "reader")
    make_person("Benno")
    with pytest.raises(Problem, match="“benno” is taken"):
        accept_as_new(digest_of(secret), "benno", PASSWORD)
    person = accept_as_new(digest_of(secret), "ben.b", PASSWORD)
    assert person.check_password(PASSWORD)
    assert Membership.objects.get(person=person).role == Role.READER


def test_a_coder_whom_an_import_made_gets_their_own_codings(study: Study, lead: User) -> None:
    coder = coder_named(study, "mara")
    _invitation, secret = invite(study, lead, "mara", "coder", ["de"])
    with pytest.raises(Problem, match="wait for an account of their own"):
        accept(digest_of(secret), make_person("other"))
    person = accept_as_new(digest_of(secret), "mara.m", PASSWORD)
    assert person == coder
    assert User.objects.get(pk=coder.pk).username == "mara.m"
    assert study.memberships.get(person=coder).reads == ["de"]


def test_nobodys_account_or_name_is_given_away(study: Study, lead: User) -> None:
    make_person("eva", study)
    with pytest.raises(Problem, match="called “eva” already"):
        invite(study, lead, "eva", "coder")
    boss = User.objects.create_user("boss", is_superuser=True)
    Membership.objects.create(study=study, person=boss, name="boss", role="lead")
    with pytest.raises(Problem, match="called “boss” already"):
        invite(study, lead, "boss", "coder")
    _invitation, secret = invite(study, lead, "late", "coder")
    make_person("late", study)
    with pytest.raises(Problem, match="called “late” already"):
        accept(digest_of(secret), make_person())
    with pytest.raises(Problem, match="You are in “Hopes” already"):
        accept(digest_of(secret), lead)


@pytest.mark.parametrize(
    ("name", "role", "reads"), [("", "coder", ""), ("x", "boss", ""), ("x", "coder", "Klingonese")]
)
def test_what_makes_no_sense_is_not_sent(
    study: Study, lead: User, name: str, role: str, reads: str
) -> None:
    with pytest.raises(Problem):
        invite(study, lead, name, role, [reads])
    assert not Invitation.objects.exists()


def made_link(client: Client) -> str:
    client.post("/studies/hopes/people/invite/", {"name": "ben", "role": "coder", "reads": "de"})
    page = client.get("/studies/hopes/people/").content.decode()
    link = page.partition('readonly dir="ltr" value="')[2].partition('"')[0]
    assert link.startswith("http://testserver/join/")
    assert link not in client.get("/studies/hopes/people/").content.decode()
    return link


def test_a_stranger_becomes_a_coder_by_a_link(study: Study, lead: User, client: Client) -> None:
    client.force_login(lead)
    link = made_link(client)
    stranger = Client()
    answer = stranger.get(link)
    assert answer.headers["Location"] == "/join/"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "Join “Hopes”" in stranger.get("/join/").content.decode()
    weak = {"username": "ben", "password1": "123", "password2": "123"}
    assert stranger.post("/join/", weak).status_code == 200
    assert not User.objects.filter(username="ben").exists()
    form = {"username": "ben", "password1": PASSWORD, "password2": PASSWORD}
    assert stranger.post("/join/", form).headers["Location"] == "/studies/hopes/"
    assert "Welcome to “Hopes”" in stranger.get("/studies/hopes/review/").content.decode()
    assert study.memberships.get(name="ben").reads == ["de"]
    again = Client()
    again.get(link)
    assert again.get("/join/").status_code == 404


def test_who_has_an_account_signs_in_and_joins(study: Study, lead: User, client: Client) -> None:
    client.force_login(lead)
    link = made_link(client)
    make_person("ben")
    other = Client()
    other.get(link)
    page = other.get("/join/").content.decode()
    assert "/accounts/login/?next=/join/" in page
    signed = {"username": "ben", "password": "a long password", "next": "/join/"}
    assert other.post("/accounts/login/", signed).headers["Location"] == "/join/"
    assert other.post("/join/").headers["Location"] == "/studies/hopes/"
    assert study.memberships.get(name="ben").role == Role.CODER


def test_a_link_that_was_made_up_leads_nowhere(client: Client) -> None:
    client.get("/join/made-up/")
    assert client.get("/join/").status_code == 404
    assert client.post("/join/", {"username": "x"}).status_code == 404
