"""How fast and how flat batches are: `python -m benchmarks.batches [--interviews N]`.

All interviews go through the simulated service (another process) in batches: requests written to a
file, sent, fetched, checked and stored. The memory is this process's highest.
"""

import argparse
import resource
import time
from contextlib import closing

from benchmarks.simulated import simulated_service

WORDS = "Still I am afraid that there will be no work left for people like me. "


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description=__doc__)
    parser.add_argument("--interviews", type=int, default=5_000)
    parser.add_argument("--characters", type=int, default=700)
    given = parser.parse_args()
    with simulated_service(3000):
        measure(given.interviews, given.characters)


def measure(interviews: int, characters: int) -> None:
    """Print the figures."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    slug = make(interviews, characters)
    from benchmarks.coding import plant
    from coding.batches import Terms, batch_loop
    from coding.coders.claude import ClaudeCoder
    from coding.models import Batch
    from coding.runs import coder_for, start_run
    from studies.models import Study

    plant({"topics/worry": ["afraid"]})
    run = start_run(Study.objects.get(slug=slug), "claude")
    cpu, began = time.process_time(), time.perf_counter()
    with closing(coder_for(run)) as coder:
        assert isinstance(coder, ClaudeCoder)
        stands = batch_loop(run, coder, given=Terms(poll=0.2, longest_poll=1.0))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert stands["finished"], stands
    assert stands["segments"]["done"] == interviews, stands
    assert stands["requests"] == interviews, stands
    sizes = list(Batch.objects.values_list("size", flat=True))
    print(
        f"{interviews} interviews in {len(sizes)} batches of up to {max(sizes) / 1e6:.0f} MB: "
        f"{seconds:.0f} s, {interviews / seconds:.0f} interviews/s, "
        f"{1_000 * cpu / interviews:.1f} ms CPU an interview"
    )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def make(interviews: int, characters: int) -> str:
    """Make a study of `interviews` and return its name."""
    from studies.models import Participant, Segment, Transcript
    from tests.factories import make_revision, make_study

    study = make_study("bench")
    make_revision(study, one=["yes", "no"])
    text = WORDS * max(characters // len(WORDS), 1)
    for at in range(0, interviews, 1_000):
        numbers = range(at, min(at + 1_000, interviews))
        people = Participant.objects.bulk_create(
            Participant(study=study, external_id=f"p{number}") for number in numbers
        )
        transcripts = Transcript.objects.bulk_create(
            Transcript(
                study=study,
                participant=person,
                external_id=person.external_id,
                text=f"Interview {person.external_id}. {text}",
                language="en",
                language_source="declared",
                turns=[[0, len(text) + 12 + len(person.external_id), "", "participant"]],
                digest=person.external_id,
                length=len(text) + 12 + len(person.external_id),
            )
            for person in people
        )
        Segment.objects.bulk_create(
            Segment(transcript=transcript, index=1, start=0, end=len(transcript.text))
            for transcript in transcripts
        )
    return study.slug


if __name__ == "__main__":
    main()
