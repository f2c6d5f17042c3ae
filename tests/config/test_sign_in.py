from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

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


def test_a_person_changes_their_own_password(client: Client) -> None:
    client.force_login(make_person("ida"))
    assert client.get("/accounts/password/").status_code == 200
    new = "another long password"
    sent = {"old_password": "a long password", "new_password1": new, "new_password2": new}
    assert client.post("/accounts/password/", sent).headers["Location"] == "/"
    assert User.objects.get(username="ida").check_password(new)


@pytest.mark.parametrize("address", ["/accounts/password_reset/", "/accounts/reset/x/y/"])
def test_nothing_promises_an_e_mail_that_would_not_come(client: Client, address: str) -> None:
    client.force_login(make_person())
    assert client.get(address).status_code == 404
