import pytest
from django.test import Client
from pytest_django import Settings

from coding import tasks
from coding.models import Run
from coding.runs import CANCELED, PAUSED, start_run
from studies.models import Role
from tests.factories import make_person, make_revision, make_segment, make_study
from tests.simulator.server import Running

pytestmark = pytest.mark.django_db


def run_of(count: int = 2) -> Run:
    study = make_study()
    make_revision(study)
    for number in range(count):
        make_segment(f"I hope {number}.", study)
    return start_run(study, "claude")


def signed_in(run: Run, role: Role = Role.LEAD) -> Client:
    client = Client()
    client.force_login(make_person(study=run.study, role=role))
    return client


def test_a_lead_pauses_resumes_and_cancels_from_the_page(simulator: Running) -> None:
    run = run_of()
    client = signed_in(run)
    page = f"/studies/{run.study.slug}/coding/"
    for what, because in (("pause", PAUSED), ("resume", ""), ("cancel", CANCELED), ("resume", "")):
        offered = client.get(page).content.decode()
        assert f'value="{what}"' in offered
        answer = client.post(f"{page}{run.pk}/tell/", {"what": what})
        assert answer.headers["Location"] == f"{page}?run={run.pk}"
        run.refresh_from_db()
        assert run.stopped_because == because
    assert client.post(f"{page}{run.pk}/tell/", {"what": "burn"}).status_code == 404
    assert simulator.ledger["requests"] == 0


def test_only_leads_may_tell_a_run(simulator: Running) -> None:
    run = run_of()
    reader = signed_in(run, Role.READER)
    page = f"/studies/{run.study.slug}/coding/"
    assert 'value="pause"' not in reader.get(page).content.decode()
    assert reader.post(f"{page}{run.pk}/tell/", {"what": "pause"}).status_code == 404
    assert reader.post(f"/api/studies/{run.study.slug}/runs/{run.pk}/pause/").status_code == 404
    stranger = signed_in(run_of())
    assert stranger.post(f"/api/studies/{run.study.slug}/runs/{run.pk}/pause/").status_code == 404
    other = run_of()
    assert stranger.post(f"{page}{other.pk}/tell/", {"what": "pause"}).status_code == 404
    run.refresh_from_db()
    assert not run.stopped_because


def test_a_program_pauses_resumes_and_cancels(simulator: Running) -> None:
    run = run_of()
    client = signed_in(run)
    address = f"/api/studies/{run.study.slug}/runs/{run.pk}"
    assert client.post(f"{address}/pause/").json() == {
        "run": run.pk,
        "finished": False,
        "stopped": PAUSED,
    }
    assert client.post(f"{address}/resume/").json()["stopped"] == ""
    assert client.post(f"{address}/cancel/").json()["finished"]
    again = client.post(f"{address}/cancel/")
    assert again.status_code == 400
    assert "nothing to cancel" in again.json()["detail"]
    assert client.get(f"{address}/pause/").status_code == 405


def test_without_workers_the_page_shows_the_command_and_starts_nothing(
    simulator: Running, settings: Settings
) -> None:
    settings.CELERY_BROKER_URL = ""
    run = run_of()
    client = signed_in(run)
    page = f"/studies/{run.study.slug}/coding/"
    shown = client.get(page).content.decode()
    assert "--coder claude --budget" in shown
    assert 'name="budget"' not in shown
    assert client.post(f"{page}start/", {"budget": "5"}).status_code == 404


def test_with_workers_a_lead_starts_claude_up_to_a_budget(
    simulator: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:6379/0"
    woken: list[int] = []
    monkeypatch.setattr(
        tasks.go_on, "apply_async", lambda arguments, **_more: woken.append(arguments[0])
    )
    run = run_of()
    client = signed_in(run)
    page = f"/studies/{run.study.slug}/coding/"
    assert 'name="budget"' in client.get(page).content.decode()
    client.post(f"{page}start/", {"budget": "much"})
    assert "is no budget" in client.get(page).content.decode()
    assert woken == []
    client.post(f"{page}start/", {"budget": "2.50"})
    assert woken == [run.pk]
    run.refresh_from_db()
    assert float(run.budget or 0) == 2.5
    assert run.woken_at is not None
    client.post(f"{page}{run.pk}/tell/", {"what": "pause"})
    client.post(f"{page}{run.pk}/tell/", {"what": "resume"})
    assert woken == [run.pk, run.pk]


def test_the_page_names_a_server_of_ones_own(simulator: Running) -> None:
    run = run_of()
    start_run(run.study, "claude", base_url="http://127.0.0.1:8080")
    shown = signed_in(run).get(f"/studies/{run.study.slug}/coding/").content.decode()
    assert "http://127.0.0.1:8080" in shown
