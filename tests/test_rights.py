"""Who gets what: one written table of every address of the site, for everybody who may come.

A new address without a row fails. What the table does not name for an address, such as DELETE, is
refused to all alike. Whoever is signed in and not in the study gets for it what they would get for
a study that does not exist.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from reviews.models import Assignment, Purpose
from studies.invitations import invite
from studies.models import Role
from studies.translations import keep as translate
from studies.uploads import keep
from tests.factories import (
    make_coding,
    make_file,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_study,
)

pytestmark = pytest.mark.django_db

PEOPLE = ("nobody", "stranger", "reader", "coder", "lead")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

TABLE = """
# The site
(home)
    GET     302 200 200 200 200
accounts/login/
    GET POST PUT OPTIONS 200
    PATCH DELETE 405
accounts/logout/
    POST    302
    OPTIONS 302 200 200 200 200
accounts/password/
    GET POST PUT OPTIONS 302 200 200 200 200
accounts/reset/
    GET POST PUT PATCH DELETE OPTIONS 404
accounts/reset/<uidb64>/<token>/
    GET POST PUT PATCH DELETE OPTIONS 200
new-study/
    GET     302 200 404 404 200
    POST    302 422 404 404 422
api/schema/
    GET OPTIONS 200
    POST PUT PATCH DELETE 405
i18n/setlang/
    GET POST PUT PATCH DELETE OPTIONS 302
join/
    GET POST 404
    PUT PATCH DELETE OPTIONS 405
join/<str:secret>/
    GET     302
    POST PUT PATCH DELETE OPTIONS 405
# A study's pages
studies/<slug:slug>/
studies/<slug:slug>/review/
    GET     302 404 200 302 200
studies/<slug:slug>/agreement/
studies/<slug:slug>/compare/
studies/<slug:slug>/drift/
studies/<slug:slug>/pictures/<str:picture>.<str:form>
studies/<slug:slug>/prevalence/
studies/<slug:slug>/report/
studies/<slug:slug>/report/<str:name>
studies/<slug:slug>/stability/
studies/<slug:slug>/together/
    GET     302 404 200 403 200
studies/<slug:slug>/codebook/
studies/<slug:slug>/codebook/<int:pk>.<str:kind>
studies/<slug:slug>/codebook/changes/
    GET     302 404 200 200 200
studies/<slug:slug>/codebook/keep/
    GET     302 404 404 404 302
    POST    302 404 404 404 302
studies/<slug:slug>/coding/
studies/<slug:slug>/transcripts/
studies/<slug:slug>/transcripts/<int:pk>/
    GET     302 404 200 404 200
studies/<slug:slug>/coding/<int:run_id>/tell/
studies/<slug:slug>/coding/estimate/
studies/<slug:slug>/coding/start/
studies/<slug:slug>/people/<int:pk>/
studies/<slug:slug>/people/invitations/<int:pk>/withdraw/
studies/<slug:slug>/people/invite/
studies/<slug:slug>/transcripts/language/
studies/<slug:slug>/work/hand-out/
studies/<slug:slug>/work/hand-over/
    POST    302 404 404 404 302
studies/<slug:slug>/disagreements/
studies/<slug:slug>/people/
studies/<slug:slug>/trail.<str:kind>
studies/<slug:slug>/trail/
studies/<slug:slug>/work/
    GET     302 404 404 404 200
studies/<slug:slug>/codebook/take-over/
studies/<slug:slug>/codebook/upload/
studies/<slug:slug>/disagreements/<int:pk>/<slug:dimension>/
studies/<slug:slug>/disagreements/<int:pk>/<slug:dimension>/<slug:code>/
studies/<slug:slug>/draw/
studies/<slug:slug>/settings/
studies/<slug:slug>/training/
studies/<slug:slug>/training/<int:pk>/
    GET     302 404 404 404 200
    POST    302 404 404 404 422
studies/<slug:slug>/transcripts/add/
    GET     302 404 404 404 200
    POST    302 404 404 404 422
studies/<slug:slug>/transcripts/<int:pk>/withdraw/
studies/<slug:slug>/transcripts/add/<slug:key>/
    GET     302 404 404 404 200
    POST    302 404 404 404 302
studies/<slug:slug>/plan/
studies/<slug:slug>/quotes/
studies/<slug:slug>/speakers/
    GET     302 404 200 404 200
    POST    302 404 404 404 302
studies/<slug:slug>/review/<int:pk>/
    GET     302 404 404 200 404
    POST    302 404 404 422 404
studies/<slug:slug>/review/<int:pk>/feedback/
    GET     302 404 404 404 404
studies/<slug:slug>/review/<int:pk>/second/
    GET     302 404 404 404 404
    POST    302 404 404 404 404
studies/<slug:slug>/review/keys/
    POST    302 404 400 400 400
studies/<slug:slug>/work/mine/
    GET     302 404 404 200 200
# A study for programs
api/studies/
    GET     403 200 200 200 200
api/studies/<slug:slug>/compare/
api/studies/<slug:slug>/drift/
api/studies/<slug:slug>/stability/
    GET     403 404 400 404 400
api/studies/<slug:slug>/disagreements/
api/studies/<slug:slug>/runs/estimate/
api/studies/<slug:slug>/work/
    GET     403 404 404 404 200
api/studies/<slug:slug>/disagreements/<int:pk>/<slug:dimension>/
api/studies/<slug:slug>/disagreements/<int:pk>/<slug:dimension>/<slug:code>/
api/studies/<slug:slug>/trainings/
    GET     403 404 404 404 200
    POST    403 404 404 404 400
api/studies/<slug:slug>/trainings/items/<int:pk>/
    GET     403 404 404 404 200
    PUT     403 404 404 404 400
api/studies/<slug:slug>/plan/
api/studies/<slug:slug>/progress/
api/studies/<slug:slug>/report/
    GET     403 404 200 404 200
api/studies/<slug:slug>/review/<int:pk>/
    GET     403 404 404 200 404
api/studies/<slug:slug>/review/<int:pk>/answer/
api/studies/<slug:slug>/review/<int:pk>/flag/
api/studies/<slug:slug>/review/<int:pk>/skip/
    POST    403 404 404 400 404
api/studies/<slug:slug>/review/<int:pk>/draft/
api/studies/<slug:slug>/review/<int:pk>/second/draft/
    PUT     403 404 404 400 404
api/studies/<slug:slug>/review/<int:pk>/feedback/
    GET     403 404 404 404 404
api/studies/<slug:slug>/review/<int:pk>/reopen/
api/studies/<slug:slug>/review/<int:pk>/shown/
api/studies/<slug:slug>/review/<int:pk>/translation/
    POST    403 404 404 200 404
api/studies/<slug:slug>/review/<int:pk>/second/
    GET     403 404 404 404 404
    POST    403 404 404 400 404
api/studies/<slug:slug>/review/codebook/
api/studies/<slug:slug>/review/mine/
    GET     403 404 404 200 200
api/studies/<slug:slug>/review/hold/
api/studies/<slug:slug>/review/release/
    POST    403 404 404 400 400
api/studies/<slug:slug>/review/next/
    POST    403 404 404 200 200
api/studies/<slug:slug>/runs/
api/studies/<slug:slug>/runs/<int:run_id>/resume/
api/studies/<slug:slug>/samples/
api/studies/<slug:slug>/work/hand-out/
api/studies/<slug:slug>/work/hand-over/
    POST    403 404 404 404 400
api/studies/<slug:slug>/runs/<int:run_id>/cancel/
api/studies/<slug:slug>/runs/<int:run_id>/pause/
    POST    403 404 404 404 200
"""

STUDY = "secret"
# What has to be sent for the right to be asked at all.
FORMS = {
    "studies/<slug:slug>/coding/<int:run_id>/tell/": {"what": "pause"},
    "studies/<slug:slug>/people/<int:pk>/": {"what": "save", "role": "coder", "reads": ""},
    "studies/<slug:slug>/transcripts/add/<slug:key>/": {"what": "look"},
}
ENDS_THE_SESSION = {"accounts/logout/"}


def addresses(patterns: Any = None, before: str = "") -> Iterator[str]:
    """Yield every pattern of an address below `patterns`, the site's if None."""
    for one in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, before + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield before + str(one.pattern)


OURS = sorted({address for address in addresses() if not address.startswith("admin/")})
ADMIN = sorted({address for address in addresses() if address.startswith("admin/")})


def table() -> dict[str, dict[str, tuple[int, ...]]]:
    """Return TABLE as address → method → statuses in the order of PEOPLE.

    What stands below several addresses holds for each of them; one status is everybody's.
    """
    rows: dict[str, dict[str, tuple[int, ...]]] = {}
    alike: dict[str, tuple[int, ...]] = {}
    told = True
    for line in TABLE.strip().splitlines():
        if line.startswith("#"):
            continue
        if line.startswith(" "):
            told, words = True, line.split()
            statuses = [int(word) for word in words if word.isdecimal()]
            everybody = tuple(statuses * len(PEOPLE) if len(statuses) == 1 else statuses)
            assert len(everybody) == len(PEOPLE), line
            alike.update({word: everybody for word in words if not word.isdecimal()})
            continue
        if told:
            alike, told = {}, False
        address = line.removeprefix("(home)")
        assert address not in rows, line
        rows[address] = alike
    return rows


class World:
    """A study with everything that an address can name, and one client for everybody."""

    def __init__(self) -> None:
        self.study = study = make_study(STUDY)
        self.stranger = make_person("stranger", make_study("elsewhere"), Role.LEAD)
        self.reader = make_person("reader", study, Role.READER)
        self.coder = make_person("coder", study)
        self.lead = make_person("lead", study, Role.LEAD)
        revision = make_revision(study, one=("for", "against"))
        run = make_run(revision)
        segments = [make_segment("some words", study, language="sw") for _number in range(2)]
        for segment in segments:
            make_coding(segment, revision, run=run, codes=["hope"])
            translate(segment.transcript, "en", {0: "in English"}, maker="m", machine=True)
        sample = make_sample(run, segments)
        self.assignment = Assignment.objects.create(
            item=sample.items.earliest("position"), person=self.coder
        )
        # Two others disagree about the second item.
        second = sample.items.latest("position")
        for name, codes in (("one", ["hope", "for"]), ("two", ["against"])):
            person = make_person(name, study)
            coding = make_coding(second.segment, revision, person=person, codes=codes)
            Assignment.objects.create(
                item=second, person=person, coding=coding, answered_at=timezone.now()
            )
        training = make_sample(run, segments, purpose=Purpose.TRAINING)
        self.invitation, self.secret = invite(study, self.lead, "later", "coder")
        self.upload = keep(study, self.lead, [make_file()])
        self.keys: dict[str, Any] = {
            "transcript": segments[0].transcript_id,
            "assignment": self.assignment.pk,
            "item": self.assignment.item_id,
            "member": study.memberships.get(person=self.coder).pk,
            "invitation": self.invitation.pk,
            "run": run.pk,
            "revision": revision.pk,
            "sample": sample.pk,
            "training": training.items.earliest("position").pk,
            "disagreement": second.pk,
            "key": self.upload.key,
        }

    def client(self, who: str) -> Client:
        client = Client(raise_request_exception=False)
        person: User | None = getattr(self, who, None)
        if person:
            client.force_login(person)
        return client

    def path(self, address: str, study: str = STUDY) -> str:
        """Return `address` with everything named that it asks for."""
        named = {
            "slug": study,
            "run_id": self.keys["run"],
            "secret": self.secret,
            "uidb64": "MQ",
            "token": "x-y",
            "name": "report.json",
            "kind": "csv",
            "picture": "prevalence",
            "form": "svg",
            "dimension": "topics" if "<slug:code>" in address else "stance",
            "code": "hope",
            "pk": self.keys[self.meant(address)],
        }

        def one(match: re.Match[str]) -> str:
            name = match[1].rpartition(":")[2]
            return str(named[name] if name in named else self.keys[name.removesuffix("_id")])

        return "/" + re.sub(r"<([^>]+)>", one, address)

    @staticmethod
    def meant(address: str) -> str:
        """Return what the number in an address stands for."""
        for part, what in (
            ("transcripts/", "transcript"),
            ("invitations/", "invitation"),
            ("people/", "member"),
            ("samples/", "sample"),
            ("codebook/", "revision"),
            ("training/", "training"),
            ("trainings/", "training"),
            ("disagreements/", "disagreement"),
            ("runs/", "run"),
        ):
            if part in address:
                return what
        return "assignment"


@pytest.fixture
def world(settings: Any) -> World:
    settings.CELERY_BROKER_URL = "memory://"  # what only workers can do is there to be refused
    return World()


def ask(client: Client, method: str, path: str, form: dict[str, str] | None = None) -> Any:
    """Ask for `path` and take back whatever that changed."""
    sent = urlencode(form or {})
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    with transaction.atomic():
        answer: Any = client.generic(method, path, sent, content_type=kind)
        answer.said = b"".join(answer.streaming_content) if answer.streaming else answer.content
        transaction.set_rollback(True)
    return answer


def usual(address: str, method: str) -> tuple[int, ...]:
    """Return what everybody gets for a method that the table does not name."""
    if not address.startswith("api/"):
        return (302, 405, 405, 405, 405)
    return (403, 200, 200, 200, 200) if method == "OPTIONS" else (403, 405, 405, 405, 405)


def test_every_address_has_its_row_and_every_row_its_address() -> None:
    assert sorted(table()) == OURS


def test_everybody_gets_what_the_table_says(world: World) -> None:
    clients = {who: world.client(who) for who in PEOPLE}
    wrong = {}
    for address, rows in table().items():
        path, form = world.path(address), FORMS.get(address)
        for method in METHODS:
            found = tuple(ask(clients[who], method, path, form).status_code for who in PEOPLE)
            if method == "HEAD" and "HEAD" not in rows and not address.startswith("api/studies"):
                expected = rows.get("GET", usual(address, method))
            else:
                expected = rows.get(method, usual(address, method))
            if found != expected:
                wrong[f"{method} {path}"] = f"{found}, not {expected}"
            if address in ENDS_THE_SESSION:
                clients = {who: world.client(who) for who in PEOPLE}
    assert not wrong


def test_a_stranger_cannot_tell_a_study_from_none(world: World) -> None:
    client = world.client("stranger")
    for address in (address for address in table() if "<slug:slug>" in address):
        for method in ("GET", "POST"):
            there, not_there = (
                ask(client, method, world.path(address, slug), FORMS.get(address))
                for slug in (STUDY, "nowhere")
            )
            assert there.status_code == not_there.status_code != 200, address
            assert bare(there, STUDY) == bare(not_there, "nowhere"), address


def bare(answer: Any, slug: str) -> str:
    """Return what `answer` says, without the address and the token of its forms."""
    text = answer.said.decode().replace(slug, "")
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", text)


def test_the_database_pages_are_for_who_runs_the_site(world: World) -> None:
    clients = [world.client(who) for who in PEOPLE]
    for address in ADMIN:
        path = "/" + re.sub(r"<[^>]+>|\(\?P<\w+>[^)]*\)", "1", address).replace("^", "").strip("$")
        for client in () if path == "/admin/logout/" else clients:
            answer = ask(client, "GET", path)
            if path == "/admin/login/":
                assert answer.status_code == 200
            else:
                assert answer.status_code == 302, path
                assert "/login/" in answer.headers["Location"]
