import json
import subprocess
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from coding.coders import Allowed, Usage
from coding.coders.messages import told
from coding.limits import BURST, HOLD, MINUTE, Limiter, need
from coding.models import Allowance
from coding.runs import coder_for, start_run
from studies.models import Study
from tests.coding.places import MANAGE, ROOT, Place
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.server import Running

WHERE = ("https://there", "claude-haiku-5-5")


def limited(**limits: int) -> Limiter:
    limiter = Limiter(*WHERE)
    limiter.hear(Allowed(limits, limits))
    return limiter


@pytest.mark.django_db
def test_where_nobody_tells_limits_everything_goes() -> None:
    limiter = Limiter(*WHERE)
    assert limiter.take([need(10_000, 2_000)] * 500) == 500
    limiter.hear(None)
    limiter.close()
    assert not Allowance.objects.exists()


@pytest.mark.django_db
def test_a_twelfth_of_a_minute_may_go_at_once_and_the_rest_comes_in_time() -> None:
    limiter = limited(requests=1_200)
    assert limiter.take([need(0, 0)] * 300) == 100
    assert 0 < limiter.wait < 0.2
    Allowance.objects.update(at=timezone.now() - timedelta(seconds=2))
    assert limiter.take([need(0, 0)] * 300) == pytest.approx(2 * 1_100 / 61, abs=3)


@pytest.mark.django_db
def test_no_minute_holds_more_than_the_limit_whoever_takes() -> None:
    first, second = limited(requests=600), limited(requests=600)
    sent = 0
    began = timezone.now()
    for _second in range(int(MINUTE + HOLD)):
        sent += first.take([need(0, 0)] * 100) + second.take([need(0, 0)] * 100)
        first.let_go()
        second.let_go()
        row = Allowance.objects.get()
        row.at -= timedelta(seconds=1)
        row.save()
    took = (timezone.now() - began).total_seconds()  # the time of the test itself fills up, too
    assert 600 * 0.9 < sent <= 600 * 1.01 + 600 / 60 * took


@pytest.mark.django_db
def test_tokens_are_set_aside_by_a_bound_and_corrected_by_what_was_taken() -> None:
    limiter = limited(input=120_000, output=240_000)
    assert limiter.take([limiter.need(5_000, 2_000)] * 10) == 2
    assert limiter.take([limiter.need(5_000, 2_000)]) == 0
    for _answer in range(2):
        limiter.settle(need(5_000, 2_000), 5_000, Usage(input=1_000, output=100))
    assert limiter.share == pytest.approx(0.2 * 1.1, rel=0.1)
    assert limiter.take([limiter.need(5_000, 2_000)] * 10) >= 6


@pytest.mark.django_db
def test_a_request_larger_than_a_burst_goes_when_the_bucket_is_full() -> None:
    limiter = limited(output=8_000)
    assert limiter.take([need(0, 2_000)]) == 0
    Allowance.objects.update(at=timezone.now() - timedelta(seconds=60))
    assert limiter.take([need(0, 2_000)] * 3) == 1
    Allowance.objects.update(at=timezone.now() - timedelta(hours=1))
    assert limiter.take([need(0, 20_000)]) == 1


@pytest.mark.django_db
def test_when_the_service_asks_one_to_wait_all_wait() -> None:
    first, second = limited(requests=6_000), limited(requests=6_000)
    first.hear(None, 7.0)
    assert second.take([need(0, 0)]) == 0
    assert second.wait == pytest.approx(7.0, abs=1)


@pytest.mark.django_db
def test_what_others_use_of_the_same_account_counts() -> None:
    limiter = limited(requests=6_000)
    limiter.hear(Allowed({"requests": 6_000}, {"requests": 3}))
    assert limiter.take([need(0, 0)] * 50) == 3


@pytest.mark.django_db
def test_what_is_held_and_not_sent_comes_back() -> None:
    limiter = limited(requests=6_000)
    assert limiter.take([need(0, 0)] * 10) == 10
    assert limiter.held["requests"] > 0
    before = Allowance.objects.get().requests_left
    limiter.close()
    assert Allowance.objects.get().requests_left > before
    assert Allowance.objects.get().requests_left <= BURST * 6_000


@pytest.mark.django_db
def test_two_keys_have_a_limit_each_and_neither_is_written_down(
    simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = []
    for key in ("key-of-one", "key-of-two"):
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
        study = make_study()
        make_revision(study)
        with closing(coder_for(start_run(study_with_work(study), "claude"))) as coder:
            accounts.append(str(getattr(coder, "account", "")))
    first, second = (Limiter(*WHERE, account) for account in accounts)
    first.hear(Allowed({"requests": 1_200}, {"requests": 1_200}))
    assert first.take([need(0, 0)] * 300) == 100
    assert second.take([need(0, 0)] * 300) == 300  # of which nobody has told anything
    second.hear(Allowed({"requests": 2_400}, {"requests": 2_400}))
    assert second.take([need(0, 0)] * 300) == 200
    assert set(Allowance.objects.values_list("account", flat=True)) == set(accounts)
    assert not any("key-of" in account or not account for account in accounts)


def study_with_work(study: Study) -> Study:
    make_segment("I hope.", study)
    return study


def test_headers_that_tell_nothing_useful_are_left_alone() -> None:
    assert told({}) is None
    assert told({"anthropic-ratelimit-requests-limit": "many"}) is None
    assert told({"anthropic-ratelimit-requests-limit": "0"}) is None
    name = "anthropic-ratelimit-input-tokens"
    assert told({f"{name}-limit": "50", f"{name}-remaining": "7"}) == Allowed(
        {"input": 50}, {"input": 7}
    )


def test_two_processes_together_keep_to_what_the_service_allows(
    simulator: Running, tmp_path: Path
) -> None:
    a_minute, count = 1_200, 260
    # It lets in hardly more at once than the workers mean to send: who sends more is turned away.
    simulator.service.configure(limits={"requests": a_minute, "output": 4e6}, burst=0.1)
    place = Place(tmp_path, simulator, count)
    command = [*MANAGE, "code", "hopes", "--coder", "claude", "--yes", "--threads", "16", "--json"]
    began = time.monotonic()
    both = [
        subprocess.Popen(  # noqa: S603  this Python, with words of ours
            command,
            env=place.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _process in range(2)
    ]
    for one in both:
        out, errors = one.communicate(timeout=120)
        assert one.returncode == 0, errors
        assert json.loads(out)["segments"]["done"] == count
    limits = simulator.service.limits
    seconds = limits.admitted[-1] - limits.admitted[0]
    assert len(limits.admitted) == count == simulator.ledger["billed"]
    assert limits.turned_away <= count / 100
    for window in (1.0, 2.0, 5.0):
        assert limits.most_in(window) <= a_minute * (BURST + (window + HOLD) / MINUTE)
    # Nor is what is allowed left lying about.
    assert (count - a_minute * BURST) / (a_minute / MINUTE) * 0.9 < seconds < 20
    assert time.monotonic() - began < 90
