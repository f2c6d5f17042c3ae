from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from studies.people import reset_path
from tests.factories import make_person

pytestmark = pytest.mark.django_db


def test_a_wrong_password_is_said_plainly_and_the_right_one_lets_in(client: Client) -> None:
    make_person("ana")
    wrong = client.post("/accounts/login/", {"username": "ana", "password": "guess"})
    assert "do not belong together" in wrong.content.decode()
    right = client.post("/accounts/login/", {"username": "ana", "password": "a long password"})
    assert right.headers["Location"] == "/"


def test_guessing_ends_after_ten_tries_for_a_while(client: Client, settings: Any) -> None:
    settings.AXES_ENABLED = True
    make_person("eva")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        page = client.post("/accounts/login/", {"username": "eva", "password": "guess"})
    assert page.status_code == 429
    assert "wrong too often" in page.content.decode()
    right = client.post("/accounts/login/", {"username": "eva", "password": "a long password"})
    assert right.status_code == 429


def guess(client: Client, name: str, place: str, *right: str) -> int:
    sent = {"username": name, "password": right[0] if right else "guess"}
    return client.post("/accounts/login/", sent, REMOTE_ADDR=place).status_code


def test_a_lock_is_for_one_name_from_one_place_and_ends(client: Client, settings: Any) -> None:
    settings.AXES_ENABLED = True
    make_person("eva")
    make_person("ida")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        guess(client, "eva", "10.0.0.1")
    right = "a long password"
    assert guess(client, "eva", "10.0.0.1", right) == 429
    assert guess(Client(), "eva", "10.0.0.1", right) == 429  # a new browser helps nobody
    assert guess(Client(), "ida", "10.0.0.1", right) == 302
    assert guess(Client(), "eva", "10.0.0.2", right) == 302
    later = timezone.now() - timedelta(hours=settings.AXES_COOLOFF_TIME, seconds=1)
    AccessAttempt.objects.update(attempt_time=later)
    assert guess(Client(), "eva", "10.0.0.1", right) == 302


def test_a_few_slips_are_forgotten_with_the_right_password(client: Client, settings: Any) -> None:
    settings.AXES_ENABLED = True
    make_person("eva")
    for _ in range(3):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            assert guess(Client(), "eva", "10.0.0.1") == 200
        assert guess(Client(), "eva", "10.0.0.1", "a long password") == 302


def test_the_database_pages_are_locked_alike(client: Client, settings: Any) -> None:
    settings.AXES_ENABLED = True
    User.objects.create_superuser("boss", password="a long password")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = client.post("/admin/login/", {"username": "boss", "password": "guess"})
    assert answer.status_code == 429


def test_a_new_password_ends_a_lock(client: Client, settings: Any) -> None:
    settings.AXES_ENABLED = True
    eva = make_person("eva")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        guess(client, "eva", "10.0.0.1")
    form = client.get(reset_path(eva)).headers["Location"]
    new = "another long password"
    client.post(form, {"new_password1": new, "new_password2": new})
    assert guess(client, "eva", "10.0.0.1", new) == 302


def test_a_sign_in_lasts_a_week_from_the_last_day_it_was_used(client: Client) -> None:
    client.force_login(make_person())
    client.get("/")
    session = Session.objects.get()
    week = timedelta(days=7)
    assert week - timedelta(minutes=1) < session.expire_date - timezone.now() <= week
    Session.objects.update(expire_date=timezone.now() + timedelta(days=1))
    client.get("/")  # the same day: nothing is written
    assert Session.objects.get().expire_date < timezone.now() + timedelta(days=2)
    store = client.session
    store["day"] = "2020-01-01"
    store.save()
    Session.objects.update(expire_date=timezone.now() + timedelta(days=1))
    client.get("/")
    assert Session.objects.get().expire_date > timezone.now() + timedelta(days=6)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get("/").headers["Location"].startswith("/accounts/login/")


def test_a_person_changes_their_own_password(client: Client) -> None:
    client.force_login(make_person("ida"))
    assert client.get("/accounts/password/").status_code == 200
    new = "another long password"
    sent = {"old_password": "a long password", "new_password1": new, "new_password2": new}
    assert client.post("/accounts/password/", sent).headers["Location"] == "/"
    assert User.objects.get(username="ida").check_password(new)


@pytest.mark.parametrize("address", ["/accounts/password_reset/", "/accounts/reset/"])
def test_nothing_promises_an_e_mail_that_would_not_come(client: Client, address: str) -> None:
    client.force_login(make_person())
    assert client.get(address).status_code == 404


def test_a_link_that_was_made_up_says_so(client: Client) -> None:
    assert "not good any more" in client.get("/accounts/reset/x/y/").content.decode()


def test_a_short_password_is_refused_in_a_sentence_of_our_own(client: Client) -> None:
    client.force_login(make_person("ana"), backend="django.contrib.auth.backends.ModelBackend")
    sent = {"old_password": "a long password", "new_password1": "a", "new_password2": "a"}
    page = client.post("/accounts/password/", sent).content.decode()
    assert "This password is too short: it needs at least 8 characters." in page
