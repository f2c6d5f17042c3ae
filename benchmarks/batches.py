"""How fast and how flat batches are: `python -m benchmarks.batches [--full]`.

All interviews go through the simulated service (another process) in batches: requests written to a
file, sent, fetched, evidence checked, and stored. The memory is the coding process's highest.
`--full` takes 80,508 interviews.
"""

import argparse
import json
import resource
import time
from contextlib import closing
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

MODULE = "benchmarks.batches"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description=__doc__)
    parser.add_argument("--interviews", type=int, default=5_000)
    parser.add_argument("--full", action="store_true", help=f"{FULL} interviews")
    parser.add_argument("--database", default="SQLite", choices=["SQLite", "PostgreSQL"])
    parser.add_argument("--once", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(*given.once)))
        return
    interviews = FULL if given.full else given.interviews
    with simulated_service(4 * 3_600), databases() as places:
        url = places[given.database]
        study = measured(MODULE, "make", url, interviews, CHARACTERS)
        found = measured(MODULE, "code", url)
        print(
            f"{given.database}: {interviews} interviews of {study['characters']} characters in "
            f"{found['batches']} batches of up to {found['largest'] / 1e6:.0f} MB: "
            f"{found['seconds']:.0f} s, {interviews / found['seconds']:.0f} interviews/s, "
            f"{1_000 * found['cpu'] / interviews:.1f} ms CPU an interview; "
            f"peak memory {found['megabytes']:.0f} MB"
        )


def once(what: str, *words: str) -> dict[str, Any]:
    """Return what one measurement says, in a process of its own."""
    import django

    django.setup()
    return make(int(words[0]), int(words[1])) if what == "make" else code()


def code() -> dict[str, Any]:
    """Return what it takes to code the whole study in batches."""
    from coding.batches import batch_loop
    from coding.coders.claude import ClaudeCoder
    from coding.errands import Terms
    from coding.models import Batch
    from coding.runs import coder_for, start_run
    from studies.models import Study

    configure(faults=FAULTS, words=TRUE)
    run = start_run(Study.objects.get(), "claude")
    interviews = run.work.count()
    cpu, began = time.process_time(), time.perf_counter()
    with closing(coder_for(run)) as coder:
        assert isinstance(coder, ClaudeCoder)
        stands = batch_loop(run, coder, given=Terms(poll=0.2, longest_poll=1.0))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert stands["finished"], stands
    assert stands["segments"]["done"] == interviews, stands
    assert stands["requests"] == interviews, stands
    sizes = list(Batch.objects.values_list("size", flat=True))
    return {
        "batches": len(sizes),
        "largest": max(sizes),
        "seconds": seconds,
        "cpu": cpu,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
