import json

import pytest
from django.core.management import CommandError, call_command

from coding.models import Work
from coding.runs import PAUSED, start_run
from tests.factories import make_revision, make_segment, make_study


@pytest.mark.django_db
def test_a_run_is_paused_resumed_and_canceled(capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study("hopes")
    with pytest.raises(CommandError, match="no such run"):
        call_command("run", "hopes", "pause")
    make_revision(study)
    make_segment("I hope.", study)
    run = start_run(study)
    call_command("run", "hopes", "pause", "--json")
    assert json.loads(capsys.readouterr().out)["stopped"] == PAUSED
    call_command("run", "hopes", "resume", "--run", str(run.pk))
    assert "0 of 1 segments" in capsys.readouterr().out
    call_command("run", "hopes", "cancel")
    assert "Canceled by a person" in capsys.readouterr().out
    assert Work.objects.get().state == "canceled"
    with pytest.raises(CommandError, match="nothing to pause"):
        call_command("run", "hopes", "pause")
    with pytest.raises(CommandError, match=r"manage\.py run hopes resume"):
        call_command("code", "hopes")
    call_command("run", "hopes", "resume")
    call_command("code", "hopes")
    assert Work.objects.get().state == "done"
    with pytest.raises(CommandError, match="is left to do"):
        call_command("run", "hopes", "resume")
