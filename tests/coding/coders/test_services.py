"""Claude through Bedrock, Vertex and Foundry: the SDK's own clients, against simulated doors."""

import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from coding.coders import Answered, Failed, Stopped
from coding.coders.claude import ClaudeCoder
from coding.coders.claude_batches import ClaudeBatches
from coding.coders.services import SERVICES, chosen, is_regional, model_for, plain_name
from coding.costs import estimate
from coding.leases import Pace
from coding.loop import work_loop
from coding.prices import price
from coding.prompts import write
from coding.runs import coder_for, start_run
from studies.problems import Problem
from tests.coding.guides import GUIDE, passage
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.platforms import Platforms, running

TALK = passage("What worries you?", "I might lose my job. [[sim: worries=job_loss; trust=20]]")
QUICK = Pace(first_wait=0.01, longest_wait=0.02, most_attempts=3, patience=5)
MODELS = {
    "bedrock": "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    "vertex": "claude-haiku-4-5@20251001",
    "foundry": "claude-haiku-5-5",
}
OF_A_PLACE = ("AWS_", "ANTHROPIC_", "CLOUD_ML_REGION", "GOOGLE_", "AZURE_", "CONCORD_SERVICE")


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> pytest.MonkeyPatch:
    """An environment that knows of no service, with a key that none of them may get to see."""
    import os

    for name in list(os.environ):
        if name.startswith(OF_A_PLACE):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "anthropics-own-key")
    return monkeypatch


@pytest.fixture
def doors(nowhere: pytest.MonkeyPatch) -> Iterator[Platforms]:
    server, service = running()
    with server:
        nowhere.setenv("AWS_REGION", "eu-central-1")
        nowhere.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key")
        nowhere.setenv("ANTHROPIC_BEDROCK_BASE_URL", server.url)
        nowhere.setenv("CLOUD_ML_REGION", "europe-west1")
        nowhere.setenv("ANTHROPIC_VERTEX_PROJECT_ID", "my-project")
        nowhere.setenv("ANTHROPIC_VERTEX_BASE_URL", server.url)
        nowhere.setenv("ANTHROPIC_FOUNDRY_API_KEY", "foundry-key")
        nowhere.setenv("ANTHROPIC_FOUNDRY_BASE_URL", f"{server.url}/anthropic/")
        google(nowhere, token="google-token")
        yield service


def google(patch: pytest.MonkeyPatch, token: str) -> None:
    """Stand in for google-auth, which finds credentials and renews them."""
    auth = ModuleType("google.auth")
    auth.__spec__ = SimpleNamespace(name="google.auth")  # type: ignore[assignment]
    found = SimpleNamespace(token=token, expired=False)
    auth.default = lambda scopes: (found, "found-project")  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "google", ModuleType("google"))
    patch.setitem(sys.modules, "google.auth", auth)


@pytest.mark.parametrize(
    ("platform", "path", "header", "value"),
    [
        (
            "bedrock",
            "/model/global.anthropic.claude-haiku-4-5-20251001-v1:0/invoke",
            "authorization",
            "Bearer bedrock-key",
        ),
        (
            "vertex",
            "/projects/my-project/locations/europe-west1/publishers/anthropic/models/"
            "claude-haiku-4-5@20251001:rawPredict",
            "authorization",
            "Bearer google-token",
        ),
        ("foundry", "/anthropic/v1/messages", "x-api-key", "foundry-key"),
    ],
)
def test_each_service_is_asked_in_its_own_way_and_answers_the_same(
    doors: Platforms, platform: str, path: str, header: str, value: str
) -> None:
    with closing(ClaudeCoder(write(GUIDE), MODELS[platform], platform=platform)) as coder:
        reply = coder.code([TALK])[0]
    assert isinstance(reply.outcome, Answered)
    assert [p.code for p in reply.outcome.proposals] == ["job_loss", "trust"]
    assert reply.usage
    [seen] = doors.seen
    assert (seen.platform, seen.path) == (platform, path)
    assert seen.headers[header] == value
    assert "anthropics-own-key" not in str(seen.headers)
    assert seen.headers["x-stainless-retry-count"] == "0"
    assert seen.body["output_config"]["format"]["type"] == "json_schema"
    assert seen.body["system"][0]["cache_control"] == {"type": "ephemeral"}


def test_bedrock_signs_with_aws_credentials_where_there_is_no_key(
    doors: Platforms, nowhere: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("boto3", reason="boto3 is not installed: Bedrock's signing is not tested")
    nowhere.delenv("AWS_BEARER_TOKEN_BEDROCK")
    with pytest.raises(Problem, match="no AWS credentials: set AWS_PROFILE"):
        ClaudeCoder(write(GUIDE), MODELS["bedrock"], platform="bedrock")
    nowhere.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    nowhere.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with closing(ClaudeCoder(write(GUIDE), MODELS["bedrock"], platform="bedrock")) as coder:
        assert isinstance(coder.code([TALK])[0].outcome, Answered)
    signed = doors.seen[0].headers["authorization"]
    assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert "/eu-central-1/bedrock/aws4_request" in signed


@pytest.mark.parametrize(
    ("platform", "changes", "said"),
    [
        ("bedrock", {"AWS_REGION": None}, "needs a region: set AWS_REGION"),
        (
            "bedrock",
            {"AWS_BEARER_TOKEN_BEDROCK": None},
            r"run `pip install 'anthropic\[bedrock\]'`, or set AWS_BEARER_TOKEN_BEDROCK",
        ),
        ("vertex", {"CLOUD_ML_REGION": None}, "needs a region: set CLOUD_ML_REGION"),
        ("foundry", {"ANTHROPIC_FOUNDRY_BASE_URL": None}, "set ANTHROPIC_FOUNDRY_RESOURCE"),
        (
            "foundry",
            {"ANTHROPIC_FOUNDRY_API_KEY": None},
            "run `pip install azure-identity`, or set ANTHROPIC_FOUNDRY_API_KEY",
        ),
    ],
)
def test_what_is_missing_is_named_in_one_sentence(
    doors: Platforms,
    nowhere: pytest.MonkeyPatch,
    platform: str,
    changes: dict[str, None],
    said: str,
) -> None:
    absent(nowhere)
    for name in changes:
        nowhere.delenv(name)
    with pytest.raises(Problem, match=said) as caught:
        ClaudeCoder(write(GUIDE), MODELS[platform], platform=platform)
    assert "\n" not in str(caught.value)


def absent(patch: pytest.MonkeyPatch) -> None:
    """Have no package that finds credentials, whatever is installed here."""
    for name in ("boto3", "google.auth", "azure", "azure.identity"):
        patch.setitem(sys.modules, name, None)


def test_vertex_says_which_package_finds_credentials(
    doors: Platforms, nowhere: pytest.MonkeyPatch
) -> None:
    absent(nowhere)
    with pytest.raises(Problem, match=r"run `pip install 'anthropic\[vertex\]'`\.$"):
        ClaudeCoder(write(GUIDE), MODELS["vertex"], platform="vertex")


def test_a_service_that_does_not_know_the_key_names_where_it_comes_from(
    doors: Platforms, nowhere: pytest.MonkeyPatch
) -> None:
    nowhere.setenv("ANTHROPIC_FOUNDRY_API_KEY", "wrong")
    with closing(ClaudeCoder(write(GUIDE), MODELS["foundry"], platform="foundry")) as coder:
        outcome = coder.code([TALK])[0].outcome
    assert isinstance(outcome, Stopped)
    assert "ANTHROPIC_FOUNDRY_API_KEY" in outcome.reason


def test_a_key_with_a_line_end_is_said_to_be_one_and_never_sent(
    doors: Platforms, nowhere: pytest.MonkeyPatch
) -> None:
    nowhere.setenv("ANTHROPIC_FOUNDRY_API_KEY", "key\n")
    with closing(ClaudeCoder(write(GUIDE), MODELS["foundry"], platform="foundry")) as coder:
        reply = coder.code([TALK])[0]
    assert isinstance(reply.outcome, Stopped)
    assert "can’t stand in a header" in reply.outcome.reason
    assert not reply.maybe_billed
    assert doors.seen == []


def test_a_service_without_structured_output_is_told_the_form_in_words(doors: Platforms) -> None:
    doors.no_form = True
    with closing(ClaudeCoder(write(GUIDE), MODELS["vertex"], platform="vertex")) as coder:
        first = coder.code([TALK])[0]
        assert isinstance(first.outcome, Failed)
        assert first.outcome.wait == 0
        assert not first.outcome.service
        coder.code([TALK], first.outcome)
    again = doors.seen[1].body
    assert "format" not in again.get("output_config", {})
    assert "JSON Schema" in again["messages"][0]["content"]
    assert '"job_loss"' in again["messages"][0]["content"]


@pytest.mark.parametrize("platform", ["bedrock", "vertex", "foundry"])
def test_where_there_are_no_batches_one_sentence_says_so(doors: Platforms, platform: str) -> None:
    with closing(ClaudeCoder(write(GUIDE), MODELS[platform], platform=platform)) as coder:
        with pytest.raises(Problem, match="takes no batches: leave out --batch") as caught:
            ClaudeBatches(coder)
        assert SERVICES[platform] in str(caught.value)
    assert doors.seen == []


@pytest.mark.django_db
@pytest.mark.parametrize("platform", ["bedrock", "vertex", "foundry"])
def test_a_run_goes_through_the_service_that_it_was_started_with(
    doors: Platforms, nowhere: pytest.MonkeyPatch, platform: str
) -> None:
    doors.config.words = {"topics/hope": ["hope"]}
    study = make_study()
    make_revision(study)
    for number in range(3):
        make_segment(f"I hope {number}.", study)
    planned = estimate(study, MODELS[platform], service=platform)
    # Bedrock counts no tokens; the others do, and for nothing.
    assert planned.counted_by == ("characters" if platform == "bedrock" else "count_tokens")
    assert planned.usd_batch is None
    run = start_run(study, "claude", model=MODELS[platform], service=platform)
    nowhere.setenv("CONCORD_SERVICE", "anthropic")  # the run remembers
    with closing(coder_for(run)) as coder:
        stands = work_loop(run, coder, threads=2, pace=QUICK)
    assert stands["segments"]["done"] == 3
    assert stands["service"] == platform
    charged = Decimal(doors.books.told()["delivered"])
    more = Decimal("1.1") if platform == "vertex" else Decimal(1)
    assert Decimal(str(stands["cost"])) == charged * more


def test_a_region_of_its_own_costs_more_and_names_do_not_matter() -> None:
    haiku = price("claude-haiku-4-5")
    assert price("claude-haiku-4-5@20251001", service="vertex") == haiku
    assert is_regional("bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert not is_regional("bedrock", MODELS["bedrock"])
    assert not is_regional("foundry", "claude-haiku-5-5")
    at_home = price("eu.anthropic.claude-haiku-4-5-20251001-v1:0", service="bedrock", regional=True)
    assert at_home.input == haiku.input * Decimal("1.1")
    arn = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-v1:0"
    assert plain_name(arn) == "claude-haiku-4-5-v1:0"


def test_a_service_is_chosen_by_name_or_by_the_environment(nowhere: pytest.MonkeyPatch) -> None:
    assert chosen() == "anthropic"
    nowhere.setenv("CONCORD_SERVICE", "vertex")
    assert chosen() == "vertex"
    assert chosen("bedrock") == "bedrock"
    with pytest.raises(Problem, match="no service called “azure”: it is one of anthropic, bedrock"):
        chosen("azure")
    with pytest.raises(Problem, match="names of its own for models"):
        model_for("bedrock", "", "claude-haiku-5-5")
    assert model_for("foundry", "", "claude-haiku-5-5") == "claude-haiku-5-5"


@pytest.mark.django_db
def test_the_command_refuses_batches_and_unknown_services_before_it_begins(
    doors: Platforms,
) -> None:
    study = make_study("hopes")
    make_revision(study)
    make_segment("I hope.", study)
    claude = ("code", "hopes", "--coder", "claude", "--yes")
    with pytest.raises(CommandError, match="Google Vertex AI takes no batches"):
        call_command(*claude, "--batch", "--service", "vertex")
    with pytest.raises(CommandError, match="no service called “azure”"):
        call_command(*claude, "--service", "azure")
    with pytest.raises(CommandError, match="Amazon Bedrock has names of its own for models"):
        call_command(*claude, "--service", "bedrock")
    assert not study.runs.exists()
    call_command(*claude, "--service", "foundry", "--json")
    assert study.runs.get().parameters["service"] == "foundry"
    assert {seen.platform for seen in doors.seen} == {"foundry"}
