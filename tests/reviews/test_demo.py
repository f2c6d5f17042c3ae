import json
import socket
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from coding.models import Coding, Work
from reviews.models import Assignment
from studies.models import Membership, Role, Study
from tests.factories import make_study


@pytest.fixture
def elsewhere(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def demo() -> dict[str, Any]:
    out = StringIO()
    call_command("demo", serve=0, json=True, stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found


@pytest.mark.django_db(transaction=True)
def test_the_demo_shows_the_whole_job_and_again_changes_nothing(elsewhere: Path) -> None:
    first = demo()
    study = Study.objects.get(slug="sample")
    assert study.fictional
    assert study.transcripts.count() == 72
    assert study.transcripts.values("language").distinct().count() == 12
    assert Work.objects.filter(run__study=study, state="done").count() == 60
    assert Assignment.objects.filter(item__sample__study=study, coding=None).count() == 3
    made = json.loads((elsewhere / "demo-report" / "report.json").read_text())
    worries = {row["code"] for row in made["prevalence"] if row["dimension"] == "worries"}
    assert {"unreliability", "job_loss", "dependence", "privacy", "human_touch"} <= worries
    assert "fictional" in (elsewhere / "demo-report" / "report.html").read_text()

    codings = Coding.objects.count()
    second = demo()
    assert Coding.objects.count() == codings
    assert second["password"] != first["password"]
    lead = User.objects.get(username=second["lead"])
    assert lead.check_password(second["password"])


@pytest.mark.django_db(transaction=True)
def test_the_demo_gives_nobody_else_a_new_password(elsewhere: Path) -> None:
    mine = User.objects.create_user("demo", password="their own password")
    Membership.objects.create(study=make_study(), person=mine, name="demo", role=Role.LEAD)
    demo()
    mine.refresh_from_db()
    assert mine.check_password("their own password")


@pytest.mark.django_db
def test_a_taken_port_is_said_before_anything_is_done() -> None:
    refused = pytest.raises(CommandError, match="is taken by another program")
    with socket.create_server(("127.0.0.1", 0)) as taken, refused:
        call_command("demo", serve=1, port=taken.getsockname()[1])
    assert not Study.objects.exists()
