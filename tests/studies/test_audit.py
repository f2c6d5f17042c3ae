"""The trail of a study."""

import pytest
from django.contrib.auth.models import AnonymousUser

from studies.audit import LONGEST, Action, at_work, record
from studies.models import Event, Role
from tests.factories import make_person, make_study

pytestmark = pytest.mark.django_db


def test_an_event_says_who_did_what_and_how_it_stood_before_and_after() -> None:
    study = make_study()
    ana = make_person("ana", study, Role.LEAD)
    event = record(study, ana, Action.ROLE_CHANGED, "ben", {"role": "coder"}, {"role": "lead"})
    event.refresh_from_db()
    assert (event.person, event.name, event.action, event.subject) == (
        ana,
        "ana",
        "role_changed",
        "ben",
    )
    assert (event.before, event.after) == ({"role": "coder"}, {"role": "lead"})


def test_who_left_stays_readable() -> None:
    study = make_study()
    ana = make_person("ana", study)
    record(study, ana, Action.IMPORTED)
    ana.delete()
    assert Event.objects.get().name == "ana"


def test_whoever_is_at_work_is_who_did_it_and_a_terminal_is_nobody() -> None:
    study = make_study()
    ana = make_person("ana", study)
    with at_work(lambda: ana):
        assert record(study, None, Action.IMPORTED).person == ana
    with at_work(AnonymousUser):
        assert record(study, None, Action.IMPORTED).person is None
    assert record(study, None, Action.IMPORTED).name == ""


@pytest.mark.parametrize("key", ["password", "Token", "link", "text"])
def test_secrets_and_interviews_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="keeps no"):
        record(make_study(), None, Action.INVITED, after={"of": [{key: "x"}]})
    assert not Event.objects.exists()


def test_what_is_long_is_cut_and_what_is_no_json_is_made_so() -> None:
    event = record(
        make_study(), None, Action.RULED, "s" * 400, {"why": "x" * 9_000}, {"a": float("nan")}
    )
    event.refresh_from_db()
    assert event.before
    assert len(event.subject) == len(event.before["why"]) == LONGEST
    assert event.after == {"a": None}
