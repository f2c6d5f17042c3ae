"""How fast interviews are coded: `python -m benchmarks.coding [--full] [--threads T]`.

The loop with evidence and database is compared with the bare SDK against the same simulated
service (another process) with the same threads, at zero latency and at two seconds. Then a whole
study is coded in one process, on SQLite and on PostgreSQL where it answers: rate, CPU, memory,
and whether the last interviews take longer than the first. `--full` takes 80,508 interviews.
"""

import argparse
import json
import resource
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any

from benchmarks.simulated import (
    CHARACTERS,
    FAULTS,
    FULL,
    TRUE,
    configure,
    databases,
    make,
    measured,
    simulated_service,
)

MODULE = "benchmarks.coding"
ROUNDS = 3  # of which the middle one counts: other programs come and go
AT_ONCE = 50  # rows of the work table that are leased and settled together


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coding", description=__doc__)
    parser.add_argument("--interviews", type=int, default=3_000)
    parser.add_argument("--full", action="store_true", help=f"{FULL} interviews")
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--once", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(*given.once)))
        return
    interviews = FULL if given.full else given.interviews
    with simulated_service(4 * 3_600), databases() as places:
        for number, (name, url) in enumerate(places.items()):
            study = measured(MODULE, "make", url, interviews, CHARACTERS)
            if not number:
                print(f"{interviews} interviews of {study['characters']} characters")
                against_the_sdk(url, given.threads)
            bare = measured(MODULE, "bare", url, min(interviews, 3_000), given.threads)
            whole(name, measured(MODULE, "whole", url, given.threads), bare)
            rows = measured(MODULE, "table", url)
            print(
                f"  work table: {rows['rows'] / rows['seconds']:.0f} rows/s leased, begun in the "
                f"ledger and settled; {1e3 * rows['cpu'] / rows['rows']:.2f} ms CPU each",
                flush=True,
            )


def against_the_sdk(url: str, threads: int) -> None:
    """Print the share of the bare SDK's rate that is reached."""
    for latency, count in ((0.0, 1_200), (2.0, 12 * threads)):
        found = measured(MODULE, "compare", url, latency, count, threads)
        print(
            f"latency {latency:g} s, {threads} threads: bare SDK {found['bare']:.0f} interviews/s "
            f"({found['bare_cpu']:.1f} ms CPU each), with evidence and database "
            f"{found['ours']:.0f} ({found['ours_cpu']:.1f} ms): {found['share']:.0%} of its rate"
        )


def whole(name: str, found: dict[str, Any], bare: dict[str, Any]) -> None:
    """Print what coding a whole study took."""
    count = found["done"]
    own, sdk = 1e3 * found["cpu"] / count, 1e3 * bare["cpu"] / bare["count"]
    print(
        f"{name}: {count} interviews in {found['seconds']:.0f} s, "
        f"{count / found['seconds']:.0f} interviews/s; {own:.2f} ms CPU each, of which the SDK "
        f"alone takes {sdk:.2f}; peak memory {found['megabytes']:.0f} MB"
    )
    evidence = ", ".join(f"{how} {n}" for how, n in found["evidence"].items() if n)
    print(f"  evidence: {evidence}")
    first, last, size = found["first"], found["last"], found["window"]
    print(
        f"  growth: the last {size} took {last[0] / first[0]:.2f} times as long as the first "
        f"({1e3 * first[0] / size:.2f} → {1e3 * last[0] / size:.2f} ms each), "
        f"{last[1] / first[1]:.2f} times the CPU"
    )


# ---- in a process of its own ----------------------------------------------------------------


def once(what: str, *words: str) -> dict[str, Any]:
    """Return what one measurement says."""
    import django

    django.setup()
    if what == "make":
        return make(int(words[0]), int(words[1]))
    if what == "compare":
        return compare(float(words[0]), int(words[1]), int(words[2]))
    if what == "bare":
        return bare_alone(int(words[0]), int(words[1]))
    return coded(int(words[0])) if what == "whole" else table()


def compare(latency: float, count: int, threads: int) -> dict[str, Any]:
    """Return interviews a second of the bare SDK and of the loop, one after the other in turn."""
    from coding.models import Run, Work

    configure(latency=0.0, faults=[], words=TRUE)
    ask_bare(1, 2)  # so that imports and the first connection are in no figure
    configure(latency=latency)
    bare, ours = [], []
    for number in range(1 if latency else ROUNDS):
        bare.append(timed(lambda: ask_bare(threads, count)))
        run = fresh_run()
        # The others are not this round's.
        keys = list(run.work.order_by("pk").values_list("pk", flat=True)[count:])
        for at in range(0, len(keys), 500):
            Work.objects.filter(pk__in=keys[at : at + 500]).delete()
        ours.append(timed(partial(code, run, threads)))
        Run.objects.filter(pk=run.pk).update(prompt_digest=f"{latency}/{number}")
    shares = [one[0] / other[0] for one, other in zip(bare, ours, strict=True)]
    middle = shares.index(statistics.median_low(shares))
    return {
        "bare": count / bare[middle][0],
        "ours": count / ours[middle][0],
        "share": shares[middle],
        "bare_cpu": 1e3 * bare[middle][1] / count,
        "ours_cpu": 1e3 * ours[middle][1] / count,
    }


def timed(work: Any) -> tuple[float, float]:
    """Return seconds and CPU seconds of `work`."""
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def bare_alone(count: int, threads: int) -> dict[str, Any]:
    """Return what the SDK takes with nothing around it."""
    configure(latency=0.0, faults=FAULTS, words=TRUE)
    ask_bare(1, 2)
    seconds, cpu = timed(lambda: ask_bare(threads, count))
    return {"count": count, "seconds": seconds, "cpu": cpu}


def ask_bare(threads: int, most: int) -> None:
    """Send the same requests with nothing around them."""
    from codebooks.revisions import current_revision
    from coding.coders.claude import ROOM, ClaudeCoder
    from coding.leases import passage_of
    from coding.prompts import user_turn, write
    from coding.runs import guide
    from studies.models import Segment, Study

    coder = ClaudeCoder(write(guide(current_revision(Study.objects.get()))))
    segments = Segment.objects.order_by("pk").select_related("transcript")
    messages = [user_turn(passage_of(segment, {})) for segment in segments[:most]]

    def ask(message: str) -> None:
        coder.client.messages.create(
            model=coder.model,
            max_tokens=ROOM,
            system=coder.system,  # type: ignore[arg-type]
            messages=[{"role": "user", "content": message}],
            **coder.parameters,
        )

    with closing(coder), ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, messages))


def fresh_run() -> Any:
    """Return a run with all of its work to do."""
    from coding.runs import start_run
    from studies.models import Study

    return start_run(Study.objects.get(), "claude")


def code(run: Any, threads: int, advance: Any = None) -> dict[str, Any]:
    """Code as the command does."""
    from coding.loop import work_loop
    from coding.runs import coder_for

    with closing(coder_for(run)) as coder:
        stands = work_loop(run, coder, threads=threads, advance=advance)
    assert stands["finished"], stands
    return stands


class Clock:
    """Notes the time, and the CPU time, at every so many interviews."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.ended = 0
        self.marks = [(time.perf_counter(), time.process_time(), 0)]

    def hear(self, count: int) -> None:
        """Hear that so many more have ended."""
        self.ended += count
        if self.ended >= self.marks[-1][2] + self.every:
            self.marks.append((time.perf_counter(), time.process_time(), self.ended))

    def window(self, *, first: bool) -> tuple[float, float]:
        """Return seconds and CPU seconds of the first or last window, as if of `every` exactly."""
        begin, end = self.marks[:2] if first else self.marks[-2:]
        share = self.every / (end[2] - begin[2])
        return (end[0] - begin[0]) * share, (end[1] - begin[1]) * share


def coded(threads: int) -> dict[str, Any]:
    """Return what it takes to code the whole study."""
    from coding.runs import findings

    configure(latency=0.0, faults=FAULTS, words=TRUE)
    ask_bare(1, 2)
    run = fresh_run()
    clock = Clock(min(5_000, run.work.count() // 4))
    seconds, cpu = timed(lambda: code(run, threads, clock.hear))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = findings(run)["evidence"]
    found.pop("by_language")
    return {
        "done": run.codings.count(),
        "seconds": seconds,
        "cpu": cpu,
        "megabytes": peak,
        "evidence": found,
        # The first window has the beginning in it: one request alone, and threads that start.
        "first": clock.window(first=True),
        "last": clock.window(first=False),
        "window": clock.every,
    }


def table() -> dict[str, Any]:
    """Return how fast work is leased, begun in the ledger and settled, with no coder between."""
    from decimal import Decimal

    from coding import leases
    from coding.coders import Answered, Reply, Usage
    from coding.models import Run
    from coding.prices import price

    for before in Run.objects.all():  # so that asking again is another run
        Run.objects.filter(pk=before.pk).update(prompt_digest=f"before {before.pk}")
    run = fresh_run()
    owner = leases.new_owner()
    reply = Reply(Answered((), ("topics",)), Usage(2_000, 100), "req_1", run.model, b"{}")
    rate, most, rows = price(run.model), Decimal("0.001"), 0
    cpu, began = time.process_time(), time.perf_counter()
    while pieces := leases.lease(run, owner, AT_ONCE):
        sent = leases.begin(run, owner, [(piece, most) for piece in pieces], run.model)
        answers = [leases.Answer(piece, reply) for piece in sent or ()]
        leases.settle(run, owner, answers, codes={}, price=rate, pace=leases.Pace())
        rows += len(answers)
    return {
        "rows": rows,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
    }


if __name__ == "__main__":
    main()
