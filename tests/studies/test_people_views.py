"""The page of a study's people, and links for a new password."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from config.settings import mail as mail_settings
from studies.models import Event, Membership, Role, Study
from studies.people import change_role, may_make_reset_link, remove, reset_path
from studies.problems import Problem
from tests.factories import make_person, make_study

pytestmark = pytest.mark.django_db
NEW = "another long password"


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def study() -> Study:
    return make_study("hopes")


@pytest.fixture
def lead(study: Study) -> User:
    return make_person("ana", study, Role.LEAD)


def member(study: Study, person: User) -> Membership:
    return study.memberships.get(person=person)


def test_a_lead_changes_role_and_languages(study: Study, lead: User) -> None:
    ben = make_person("ben", study)
    address = f"/studies/hopes/people/{member(study, ben).pk}/"
    client = signed_in(lead)
    client.post(address, {"what": "save", "role": "reader", "reads": "German, sw"})
    changed = member(study, ben)
    assert (changed.role, changed.reads) == ("reader", ["de", "sw"])
    page = client.get("/studies/hopes/people/").content.decode()
    assert 'value="de, sw"' in page
    client.post(address, {"what": "save", "role": "reader", "reads": "Klingonese"})
    assert "no known language" in client.get("/studies/hopes/people/").content.decode()
    assert list(Event.objects.values_list("action", "name", "subject")) == [
        ("reads_changed", "ana", "ben"),
        ("role_changed", "ana", "ben"),
    ]


def test_who_is_removed_sees_nothing_any_more_and_stays_readable(study: Study, lead: User) -> None:
    ben = make_person("ben", study)
    client = signed_in(ben)
    assert client.get("/studies/hopes/codebook/").status_code == 200
    signed_in(lead).post(f"/studies/hopes/people/{member(study, ben).pk}/", {"what": "remove"})
    assert client.get("/studies/hopes/codebook/").status_code == 404
    assert User.objects.filter(pk=ben.pk).exists()
    before = Event.objects.get().before
    assert before
    assert before["username"] == "ben"


def test_a_study_keeps_a_lead(study: Study, lead: User) -> None:
    with pytest.raises(Problem, match="only lead"):
        change_role(study, lead, member(study, lead), "reader")
    with pytest.raises(Problem, match="only lead"):
        remove(study, lead, member(study, lead))
    make_person("eva", study, Role.LEAD)
    client = signed_in(lead)
    answer = client.post(
        f"/studies/hopes/people/{member(study, lead).pk}/", {"what": "save", "role": "coder"}
    )
    assert answer.headers["Location"] == "/"
    assert client.get("/studies/hopes/people/").status_code == 404


def test_nobody_is_changed_through_another_study(study: Study, lead: User) -> None:
    ben = make_person("ben", make_study("other"), Role.LEAD)
    other = Membership.objects.get(person=ben)
    answer = signed_in(lead).post(f"/studies/hopes/people/{other.pk}/", {"what": "remove"})
    assert answer.status_code == 404


def test_a_link_for_a_new_password_is_good_once(study: Study, lead: User) -> None:
    ben = make_person("ben", study)
    client = signed_in(lead)
    client.post(f"/studies/hopes/people/{member(study, ben).pk}/", {"what": "reset"})
    page = client.get("/studies/hopes/people/").content.decode()
    link = re.search(r"http://testserver(/accounts/reset/[^\"]+)", page)
    assert link
    other = Client()
    form = other.get(link[1]).headers["Location"]
    assert "set-password" in form
    assert other.get(form).status_code == 200
    sent = {"new_password1": NEW, "new_password2": NEW}
    assert other.post(form, sent).headers["Location"] == "/accounts/login/"
    ben.refresh_from_db()
    assert ben.check_password(NEW)
    again = Client().get(link[1])
    assert "not good any more" in again.content.decode()
    assert link[1] not in str(list(Event.objects.values()))


def test_a_lead_gets_into_no_account_that_opens_more_than_theirs(study: Study, lead: User) -> None:
    ben = make_person("ben", study)
    assert may_make_reset_link(lead, ben)
    assert not may_make_reset_link(ben, lead)
    Membership.objects.create(study=make_study("other"), person=ben, name="ben", role="coder")
    assert not may_make_reset_link(lead, ben)
    boss = make_person("boss", study)
    for field in ("is_staff", "is_superuser"):
        User.objects.filter(pk=boss.pk).update(is_staff=False, is_superuser=False)
        User.objects.filter(pk=boss.pk).update(**{field: True})
        boss.refresh_from_db()
        assert not may_make_reset_link(lead, boss)
    assert may_make_reset_link(boss, ben)
    answer = signed_in(lead).post(
        f"/studies/hopes/people/{member(study, ben).pk}/", {"what": "reset"}
    )
    assert answer.status_code == 404


def test_a_command_makes_the_same_link(capsys: pytest.CaptureFixture[str]) -> None:
    ben = make_person("ben")
    call_command("reset_link", "ben", "--site", "https://coding.example/")
    printed = capsys.readouterr().out
    assert f"https://coding.example{reset_path(ben)[:18]}" in printed.replace("\n", "")
    with pytest.raises(CommandError, match="nobody"):
        call_command("reset_link", "nobody")


def test_a_link_comes_by_e_mail_where_there_is_a_server(client: Client, settings: Any) -> None:
    make_person("ben")
    User.objects.update(email="ben@post.example")
    assert client.get("/accounts/reset/").status_code == 404
    assert "makes you a link" in client.get("/accounts/login/").content.decode()
    settings.CONCORD_EMAIL = "smtp://there"
    assert "/accounts/reset/" in client.get("/accounts/login/").content.decode()
    answers = [
        client.post("/accounts/reset/", {"email": address}, follow=True).content.decode()
        for address in ("ben@post.example", "nobody@post.example")
    ]
    assert all("is on its way" in answer for answer in answers)
    [letter] = mail.outbox
    assert letter.to == ["ben@post.example"]
    link = re.search(r"http://testserver(/accounts/reset/\S+)", str(letter.body))
    assert link
    assert Client().get(link[1]).status_code == 302


def test_nobody_floods_a_mailbox(client: Client, settings: Any) -> None:
    settings.CONCORD_EMAIL = "smtp://there"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    make_person("ben")
    User.objects.update(email="ben@post.example")
    for _ in range(8):
        page = client.post(
            "/accounts/reset/", {"email": "ben@post.example"}, REMOTE_ADDR="10.9.8.7"
        )
    assert len(mail.outbox) == 5
    assert "enough for now" in page.content.decode()


def test_the_address_of_a_mail_server_says_all_that_is_needed() -> None:
    found = mail_settings("smtps://me%40there:p%2Fw@post.example")
    assert found["EMAIL_HOST_USER"] == "me@there"
    assert found["EMAIL_HOST_PASSWORD"] == "p/w"
    assert (found["EMAIL_PORT"], found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"]) == (
        465,
        True,
        False,
    )
    assert mail_settings("smtp://post.example")["EMAIL_USE_TLS"] is True
    with pytest.raises(SystemExit):
        mail_settings("post.example")
