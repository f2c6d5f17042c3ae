"""A real small model asked through the real client: `pytest -m local_llm`, where it is installed.

It shows what a simulator can't: that a generator that makes things up gets nothing past the checks.
It says nothing about how well a model codes; this one has 135 million parameters.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from coding.leases import Pace
from coding.loop import work_loop
from coding.models import Attempt, Coding, Evidence, Mark, Run
from coding.runs import coder_for, findings, start_run
from studies.imports import import_transcripts
from tests.coding.local_llm import missing
from tests.factories import make_revision, make_study

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "reviews" / "sample_study" / "transcripts.jsonl"
INTERVIEWS = 3
PACE = Pace(first_wait=0.1, longest_wait=1, most_attempts=3, patience=600)

pytestmark = [
    pytest.mark.local_llm,
    pytest.mark.skipif(
        bool(missing()),
        reason=f"a local model needs {' and '.join(missing())}: pip install them to run this",
    ),
]


@contextmanager
def model(*words: str) -> Iterator[str]:
    """Run the model in a process of its own and give its address."""
    command = [sys.executable, "-m", "tests.coding.local_llm", *words]
    with subprocess.Popen(  # noqa: S603  this Python, with words of ours
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def coded(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, dict[str, Any]]:
    """Have the model code some English interviews of the sample study."""
    prices = tmp_path / "prices.toml"
    free = "\n".join(f'{kind} = "0"' for kind in ("input", "output", "cache_read", "cache_write"))
    prices.write_text(f'date = "2026-01-01"\n[models.smollm2]\n{free}\n')
    monkeypatch.setenv("CONCORD_PRICES", str(prices))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-no-use")
    rows = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    some = [row for row in rows if row["language"] == "en"][:INTERVIEWS]
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in some))
    study = make_study()
    make_revision(study, many=["unreliability", "job_loss", "privacy"])
    import_transcripts(study, [path])
    run = start_run(study, "claude", model="smollm2", base_url=url)
    began = time.monotonic()
    with closing(coder_for(run)) as coder:
        stands = work_loop(run, coder, threads=1, pace=PACE)
    took = time.monotonic() - began
    figures = {
        "interviews": stands["segments"]["total"],
        "done": stands["segments"]["done"],
        "failed": {why: sum(n.values()) for why, n in findings(run)["failed"].items()},
        "requests": stands["requests"],
        "outcomes": dict(Counter(Attempt.objects.values_list("outcome", flat=True))),
        "errors": dict(Counter(Attempt.objects.exclude(error="").values_list("error", flat=True))),
        "tokens": stands["tokens"],
        "marks": Mark.objects.count(),
        "evidence": dict(Counter(Evidence.objects.values_list("found", flat=True))),
        "seconds for an interview": round(took / stands["segments"]["total"], 1),
    }
    print(json.dumps(figures, indent=1))  # noqa: T201  what somebody runs this for
    return run, stands


@pytest.mark.django_db
def test_a_model_held_to_the_form_has_its_quotations_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with model() as url:
        run, stands = coded(url, tmp_path, monkeypatch)
    assert stands["segments"]["done"] > 0
    assert Evidence.objects.exists()
    assert stands["segments"]["ended"] == INTERVIEWS
    for row in Evidence.objects.filter(found__in=["exact", "folded"]).select_related(
        "mark__coding__segment__transcript"
    ):
        transcript = row.mark.coding.segment.transcript
        assert any(
            start <= (row.start or 0) and (row.end or 0) <= end and role == "participant"
            for start, end, _speaker, role in transcript.turns
        )
    assert Coding.objects.filter(run=run).count() == stands["segments"]["done"]


@pytest.mark.django_db
def test_a_model_that_is_held_to_no_form_is_asked_again_with_the_error_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with model("--plain") as url:
        run, stands = coded(url, tmp_path, monkeypatch)
    assert stands["segments"]["ended"] == INTERVIEWS
    # Whatever it said: at most one more try for each, and what is not in the form is no coding.
    assert stands["requests"] <= 2 * INTERVIEWS
    assert Coding.objects.filter(run=run).count() == stands["segments"]["done"]
    ok = Attempt.objects.filter(work__run=run, outcome="ok").count()
    assert ok == stands["segments"]["done"]
