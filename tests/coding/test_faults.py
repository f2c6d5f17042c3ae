"""All that can go wrong with a service, at once and at random: what stays true all the same."""

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coding.batches import batch_loop
from coding.coders.claude import ClaudeCoder
from coding.crew import BUDGET_SPENT
from coding.errands import Terms
from coding.leases import Pace
from coding.loop import work_loop
from coding.models import Attempt, Batch, Coding, Evidence, Run, Work
from coding.prompts import write
from coding.runs import guide, progress, start_run
from tests.factories import make_revision, make_segment, make_study
from tests.simulator.answers import REPHRASED
from tests.simulator.server import Running

COUNT = 7
CENT = Decimal("0.00000002")  # the ledger's columns end at ten places; half a price may have more
ASKED, SAID = "What do you hope for?", "I hope it's été for number {n} of all."
SPOKEN = (len(ASKED) + 1, len(ASKED) + 1 + len(SAID.format(n=0)))
TURNS = [[0, len(ASKED), "", "interviewer"], [*SPOKEN, "", "participant"]]
PACE = Pace(first_wait=0.005, longest_wait=0.01, most_attempts=6, patience=60)
ANSWERS: list[
    dict[str, Any]
] = [  # which a run has to get over, each by itself and all of them together
    {"fault": "429"},
    {"fault": "429", "headers": {"retry-after-ms": "7"}},
    {"fault": "429", "headers": {"retry-after": "0"}},
    {"fault": "429", "headers": {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}},
    {"fault": "500"},
    {"fault": "503"},
    {"fault": "504"},
    {"fault": "529"},
    {"fault": "400"},
    {"fault": "413"},
    {"fault": "reset_before"},
    {"fault": "reset_mid"},
    {"fault": "reset_after"},
    {"fault": "truncated"},
    {"fault": "empty"},
    {"fault": "html"},
    {"fault": "close"},
    {"fault": "hang_up"},
    {"fault": "drip", "seconds": 0},
    {"fault": "slow", "seconds": 0.03},
    {"fault": "missing_usage"},
    {"fault": "null_usage"},
    {"fault": "refusal", "category": "bio"},
    {"fault": "refusal", "text": "I would rather not."},
    {"fault": "context"},
    {"fault": "pause_turn"},
    {"fault": "new_stop"},
    {"fault": "new_block"},
    {"fault": "max_tokens"},
    {"fault": "max_tokens", "needs": 5_000},
    {"fault": "wrong_label"},
    {"fault": "wrong_type"},
    {"fault": "not_json"},
    {"fault": "duplicate"},
    {"fault": "invented"},
    {"fault": "interviewer"},
    *({"fault": fault} for fault in REPHRASED),
]
STOPS: list[dict[str, Any]] = [{"fault": fault} for fault in ("401", "402", "403", "spend_limit")]
AGAIN_AND_AGAIN = st.fixed_dictionaries(
    {"every": st.integers(2, 6), "offset": st.integers(0, 5), "times": st.integers(1, 12)}
)
ABOUT_ONE = st.fixed_dictionaries(
    {"holds": st.integers(0, COUNT - 1).map("number {} ".format), "times": st.integers(1, 8)}
)
FAULTS = st.lists(
    st.one_of(
        st.builds(
            lambda when, what: {**when, **what},
            AGAIN_AND_AGAIN | ABOUT_ONE,
            st.sampled_from(ANSWERS),
        ),
        st.builds(
            lambda number, what: {"nth": number, **what}, st.integers(1, 20), st.sampled_from(STOPS)
        ),
    ),
    min_size=1,
    max_size=6,
)


def start(by_dimension: bool, simulator: Running, budget: Decimal | None) -> Run:
    study = make_study()
    make_revision(study, one=["yes", "no"], scale=(0, 10))
    for number in range(COUNT):
        make_segment(f"{ASKED} {SAID.format(n=number)}", study, turns=TURNS)
    run = start_run(study, "claude", budget=budget)
    if by_dimension:
        whole = len(str(write(guide(run.revision)).schema))
        simulator.service.configure(largest_schema=whole - 1)
    return run


def go(run: Run, threads: int) -> dict[str, Any]:
    # Half a second is long for an answer here, so that one that drips on is given up.
    with closing(ClaudeCoder(write(guide(run.revision)), run.model, deadline=0.5)) as coder:
        return work_loop(run, coder, threads=threads, pace=PACE)


def each_fault(test: Callable[..., None]) -> Callable[..., None]:
    """Have `test` try every fault at least once, each about another interview."""
    for at in range(0, len(ANSWERS), COUNT):
        faults = [
            {"holds": f"number {n} ", "times": 2, **fault}
            for n, fault in enumerate(ANSWERS[at : at + COUNT])
        ]
        test = example(faults=faults, threads=4, by_dimension=False, budget=None)(test)
    return test


@pytest.mark.django_db
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=FAULTS,
    threads=st.integers(1, 6),
    by_dimension=st.booleans(),
    budget=st.none() | st.sampled_from([Decimal("0.0015"), Decimal("0.004")]),
)
@each_fault
@example(
    faults=[{"nth": 3, "fault": "drip", "seconds": 0.02}, {"nth": 9, **STOPS[3]}],
    threads=3,
    by_dimension=True,
    budget=None,
)
def test_whatever_goes_wrong_nothing_is_lost_nothing_is_done_or_booked_twice(
    simulator: Running,
    faults: list[dict[str, Any]],
    threads: int,
    by_dimension: bool,
    budget: Decimal | None,
) -> None:
    simulator.service.reset()
    simulator.words({"topics/hope": ["hope"], "stance/yes": ["all"]})
    simulator.faults(*(dict(fault) for fault in faults))
    run = start(by_dimension, simulator, budget)
    stands = go(run, threads)
    if budget is not None:
        assert Decimal(simulator.ledger["total"]) <= budget
    if stands["stopped"]:  # a person mends what was said, and starts it again
        assert not stands["finished"]
        assert stands["segments"]["leased"] == 0
        assert stands["stopped"] == BUDGET_SPENT or stands["stopped"].endswith((".", ")"))
        simulator.faults()
        stands = go(start_run(run.study, "claude", budget=Decimal(1)), threads)
    assert stands["finished"], stands
    holds(run, simulator)

    sent = simulator.ledger["requests"]
    assert go(start_run(run.study, "claude"), threads)["finished"]
    assert simulator.ledger["requests"] == sent


ON_BATCHES = {
    "create": ["429", "500", "529", "413", "html", "json", "reset_before", "orphan"],
    "list": ["500", "html", "json", "reset_before"],
    "retrieve": ["500", "html", "json", "reset_before"],
    "results": ["500", "html", "json", "cut_mid", "cut_line", "duplicate", "unknown", "missing"],
    "end": ["all_expired"],
}
IN_BATCHES = ["errored", "expired", "invalid", "refusal", "max_tokens", "not_json", "wrong_label"]
BATCH_FAULTS = st.lists(
    st.sampled_from([(on, fault) for on, faults in ON_BATCHES.items() for fault in faults]).flatmap(
        lambda what: st.fixed_dictionaries(
            {"on": st.just(what[0]), "fault": st.just(what[1]), "times": st.integers(1, 2)}
        )
    ),
    max_size=4,
)
ITEM_FAULTS = st.lists(
    st.builds(lambda when, fault: {**when, "fault": fault}, ABOUT_ONE, st.sampled_from(IN_BATCHES)),
    max_size=4,
)


def go_in_batches(run: Run, given: Terms) -> dict[str, Any]:
    with closing(ClaudeCoder(write(guide(run.revision)), run.model)) as coder:
        return batch_loop(run, coder, given=given, pace=PACE)


@pytest.mark.django_db
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    on_batches=BATCH_FAULTS,
    in_batches=ITEM_FAULTS,
    most=st.integers(1, COUNT),
    by_dimension=st.booleans(),
)
@example(
    on_batches=[{"on": "create", "fault": "orphan", "times": 2}],
    in_batches=[],
    most=3,
    by_dimension=True,
)
@example(
    on_batches=[
        {"on": "create", "fault": "orphan", "times": 1},
        {"on": "results", "fault": "unknown", "times": 1},
    ],
    in_batches=[],
    most=1,
    by_dimension=False,
)
@example(
    on_batches=[{"on": "results", "fault": "missing", "times": 2}],
    in_batches=[],
    most=7,
    by_dimension=False,
)
def test_whatever_goes_wrong_with_batches_nothing_is_lost_nothing_is_done_or_booked_twice(
    simulator: Running,
    on_batches: list[dict[str, Any]],
    in_batches: list[dict[str, Any]],
    most: int,
    by_dimension: bool,
) -> None:
    simulator.service.reset()
    simulator.words({"topics/hope": ["hope"], "stance/yes": ["all"]})
    Batch.objects.all().delete()  # the service begins anew with its names
    simulator.faults(*(dict(fault) for fault in in_batches))
    simulator.batch_faults(*(dict(fault) for fault in on_batches))
    run = start(by_dimension, simulator, None)
    given = Terms(most_requests=most, first=2, poll=0.005, longest_poll=0.01, grace=0.0)
    stands = go_in_batches(run, given)
    if stands["stopped"]:
        assert not stands["finished"]
        simulator.faults()
        simulator.batch_faults()
        stands = go_in_batches(start_run(run.study, "claude"), given)
    assert stands["finished"], stands
    assert stands["batches"]["open"] == 0
    holds(run, simulator)

    sent = simulator.ledger["requests"]
    assert go_in_batches(start_run(run.study, "claude"), given)["finished"]
    assert simulator.ledger["requests"] == sent


def holds(run: Run, simulator: Running) -> None:
    """Check what is true of every run that ended, whatever went wrong on the way."""
    states = list(Work.objects.filter(run=run).values_list("segment", "state"))
    assert len(states) == len(dict(states)) == COUNT
    assert set(dict(states).values()) <= {"done", "refused", "failed"}
    done = [segment for segment, state in states if state == "done"]
    codings = Coding.objects.filter(run=run).order_by("segment_id")
    assert list(codings.values_list("segment_id", flat=True)) == sorted(done)
    assert all(coding.dimensions == ["topics", "stance", "trust"] for coding in codings)
    assert all(run.work.exclude(state="done").values_list("reason", flat=True))

    ledger = simulator.ledger
    told = [entry for entry in ledger["entries"] if not entry["fault"].endswith("_usage")]
    delivered = sum((Decimal(e["cost"]) for e in told if e["delivered"]), Decimal(0))
    attempts = Attempt.objects.filter(work__run=run)
    known = attempts.filter(input_tokens__isnull=False)
    booked = known.aggregate(usd=Sum("cost"))["usd"] or Decimal(0)
    assert booked == pytest.approx(delivered, abs=CENT)
    assert known.count() == known.values("request_id").distinct().count()
    assert not attempts.filter(outcome="sent").exists()
    assert ledger["requests"] <= attempts.count()
    maybe = progress(run)["maybe_billed"]
    assert ledger["billed"] - known.count() <= maybe["requests"]
    lost = Decimal(str(maybe["at_most"]))
    assert delivered <= Decimal(ledger["total"]) <= delivered + lost + CENT
    run.refresh_from_db()
    assert run.committed == pytest.approx(booked + lost, abs=CENT)

    # What is called found stands in the participant's words; what was made up never does.
    evidence = Evidence.objects.filter(mark__coding__run=run, found__in=["exact", "folded"])
    assert not evidence.exclude(start__gte=SPOKEN[0], end__lte=SPOKEN[1]).exists()
