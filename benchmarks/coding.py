"""How fast interviews are coded: `python -m benchmarks.coding [--interviews N] [--threads T]`.

The loop with its database writes is compared with the bare SDK against the same simulated service
(another process, zero latency) with the same threads; the embedded coder is timed on its own.
"""

import argparse
import json
import os
import resource
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from benchmarks.simulated import simulated_service

WORDS = (
    "I have used it every day since last spring and it saves me an hour. "
    "Still I am afraid that there will be no work left for people like me. "
    "My sister checks every answer because it once invented a price. "
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coding", description=__doc__)
    parser.add_argument("--interviews", type=int, default=600)
    parser.add_argument("--characters", type=int, default=9_000)
    parser.add_argument("--threads", type=int, default=32)
    given = parser.parse_args()
    with simulated_service(1800):
        measure(given.interviews, given.characters, given.threads)


def measure(interviews: int, characters: int, threads: int) -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    study = make(interviews, characters)
    ask_bare(study, 1, most=2)  # so that imports and the first connection are in no figure
    plant({"topics/worry": ["afraid"], "topics/hope": ["saves me"]})
    bare = timed("bare SDK", interviews, lambda: ask_bare(study, threads))
    ours = timed("Claude coder with database", interviews, lambda: code(study, "claude", threads))
    print(f"share of the bare SDK's rate: {ours / bare:.0%}")
    timed("embedded coder", interviews, lambda: code(study, "embedded", 2))
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def timed(name: str, count: int, work: Any) -> float:
    """Print and return interviews a second."""
    cpu, began = time.process_time(), time.perf_counter()
    work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{name}: {count / seconds:.0f} interviews/s, {1_000 * cpu / count:.1f} ms CPU an interview"
    )
    return count / seconds


def make(interviews: int, characters: int) -> Any:
    """Return a study of `interviews`."""
    from studies.models import Segment
    from tests.factories import make_revision, make_study, make_transcript

    study = make_study("bench")
    make_revision(study, one=["yes", "no"])
    for number in range(interviews):
        text = f"Interview {number}. " + WORDS * (characters // len(WORDS))
        transcript = make_transcript(text, study)
        Segment.objects.create(transcript=transcript, index=1, start=0, end=len(text))
    return study


def plant(words: dict[str, list[str]]) -> None:
    """Tell the simulated service what is true."""
    where = f"{os.environ['ANTHROPIC_BASE_URL']}/_sim/config"
    body = json.dumps({"words": words}).encode()
    with urllib.request.urlopen(  # noqa: S310  our own address
        urllib.request.Request(where, body, method="POST")  # noqa: S310
    ) as answer:
        answer.read()


def ask_bare(study: Any, threads: int, most: int = 10**9) -> None:
    """Send the same requests with nothing around them."""
    from codebooks.revisions import current_revision
    from coding.coders.claude import ROOM, ClaudeCoder
    from coding.leases import passage_of
    from coding.prompts import user_turn, write
    from coding.runs import guide
    from studies.models import Segment

    coder = ClaudeCoder(write(guide(current_revision(study))))
    messages = [
        user_turn(passage_of(segment, {}))
        for segment in Segment.objects.filter(transcript__study=study).select_related("transcript")
    ]

    def ask(message: str) -> None:
        coder.client.messages.create(
            model=coder.model,
            max_tokens=ROOM,
            system=coder.system,  # type: ignore[arg-type]
            messages=[{"role": "user", "content": message}],
            **coder.parameters,
        )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, messages[:most]))


def code(study: Any, kind: str, threads: int) -> None:
    """Code the study as the command does."""
    from coding.loop import work_loop
    from coding.runs import coder_for, start_run

    run = start_run(study, kind)
    with closing(coder_for(run)) as coder:
        stands = work_loop(run, coder, threads=threads)
    assert stands["finished"], stands


if __name__ == "__main__":
    main()
