"""Export every coding of a study: rows and interviews a second, and how much memory it takes.

The study is that of `benchmarks.review`: interviews of 9,000 characters, coded on sixty codes by a
machine with five marks and their evidence each, and some of them by people. An export has a row for
every segment, coder and code: five million at 80,508 interviews, where Label Studio's has a record
an interview. Beside it, on the same rows, stand a first draft (objects of all rows, one list in
memory, written at the end) at a size that it can take, and the least that csv can cost: the csv
module writing rows that lie in memory. Each is done in a process of its own.

Run with `python -m benchmarks.exports [--full] [--interviews N …]`; PostgreSQL is measured too
where it answers (`BENCHMARK_POSTGRES_URL`). The bars at 80,508 interviews, which `--full` takes,
are 60 seconds and 100 MiB more than before.
"""

import argparse
import csv
import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks.review import CODES, DIMENSIONS, build
from benchmarks.simulated import databases, measured

MODULE = "benchmarks.exports"
FULL = (15_000, 80_508)  # all rows of the smaller one go on a sheet
USUAL = (2_000,)
DRAFT = 2_000  # interviews that the first draft takes
REVIEWED = 3_000  # interviews that people coded, a tenth at most
FORMATS = ("csv", "jsonl", "parquet", "xlsx")
SECONDS, MEMORY = 60, 100  # the bars at 80,508: seconds, MiB
LABEL_STUDIO = {20_000: (57, 2_150), 80_508: (230, 8_192)}  # the same; the larger is reckoned


def make(interviews: str) -> dict[str, Any]:
    """Fill an empty database."""
    count = int(interviews)
    build(count, min(REVIEWED, count // 10))
    return {}


def exported(ending: str) -> dict[str, Any]:
    """Export the whole study to a file that ends so."""
    from reviews.exports import export
    from studies.models import Study
    from studies.problems import Problem

    study = Study.objects.get()

    def work(path: Path) -> int:
        return int(export(study, path)["rows"])

    try:
        return watched(work, ending)
    except Problem as problem:
        return {"refused": str(problem)}


def drafted(interviews: str) -> dict[str, Any]:
    """Export the first interviews as a first draft would."""

    def work(path: Path) -> int:
        rows = first_rows(int(interviews))
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        return len(rows)

    return watched(work)


def written(interviews: str, count: str) -> dict[str, Any]:
    """Write so many rows, those of the first interviews again and again, with the csv module."""
    rows = [tuple(row.values()) for row in first_rows(int(interviews))]

    def work(path: Path) -> int:
        done = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            while done < int(count):
                table.writerows(rows[: int(count) - done])
                done += len(rows)
        return int(count)

    return watched(work)


def first_rows(interviews: int) -> list[dict[str, Any]]:
    """Return the rows of the first interviews, made of objects."""
    from codebooks.models import Code
    from coding.models import Answer, Coding
    from reviews.models import Item
    from studies.models import Segment

    codes = list(Code.objects.select_related("dimension").order_by("dimension__position", "pk"))
    segments = list(Segment.objects.order_by("pk")[:interviews])
    items = {item.segment_id: item for item in Item.objects.filter(segment__in=segments)}
    codings = (
        Coding.objects.filter(segment__in=segments)
        .order_by("segment", "person")
        .select_related("segment__transcript__participant", "run", "person")
        .prefetch_related("marks__evidence")
    )
    rows = []
    for coding in codings:
        transcript, item = coding.segment.transcript, items[coding.segment_id]
        marks = {mark.code_id: mark for mark in coding.marks.all()}
        for code in codes:
            mark = marks.get(code.pk)
            passage = mark and next(iter(mark.evidence.all()), None)
            rows.append(
                {
                    "transcript": transcript.external_id,
                    "segment": coding.segment.index,
                    "language": transcript.language,
                    **transcript.participant.attributes,
                    "coder": str(coding.run or coding.person),
                    "dimension": code.dimension.key,
                    "code": code.key,
                    "applies": int(mark is not None and mark.answer == Answer.YES),
                    "value": mark and mark.value,
                    "confidence": mark and mark.confidence,
                    "quote": passage and transcript.text[passage.start : passage.end],
                    "start": passage and passage.start,
                    "end": passage and passage.end,
                    "found": passage and passage.found,
                    "stratum": item.stratum,
                    "inclusion": item.inclusion,
                }
            )
    return rows


def watched(work: Callable[[Path], int], ending: str = "csv") -> dict[str, Any]:
    """Return how many rows `work` wrote, and what that took: seconds, MiB of memory, megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"export.{ending}"
        before, served = psutil.Process().memory_info().rss / 2**20, server_seconds()
        began, busy = time.perf_counter(), time.process_time()
        rows = work(path)
        return {
            "rows": rows,
            "seconds": time.perf_counter() - began,
            "cpu": time.process_time() - busy,
            "server": server_seconds() - served,
            "grown": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - before,
            "megabytes": path.stat().st_size / 1e6,
        }


def server_seconds() -> float:
    """Return what PostgreSQL's process for this connection has computed so far, if it is here."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    connection.ensure_connection()
    try:
        spent = psutil.Process(connection.connection.info.backend_pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(spent.user + spent.system)


def show(name: str, found: dict[str, Any], interviews: int, bars: bool = False) -> None:
    """Print a line of what was measured."""
    if refused := found.get("refused"):
        print(f"  {name:24} {refused}", flush=True)
        return
    seconds, cpu = found["seconds"], found["cpu"]
    server = f" + {found['server']:.1f} the server" if found["server"] else ""
    over = "  OVER" if bars and (seconds > SECONDS or found["grown"] > MEMORY) else ""
    print(
        f"  {name:24} {found['rows']:9,} rows in {seconds:6.1f} s ({cpu:.1f} CPU{server}): "
        f"{found['rows'] / seconds:9,.0f} rows/s, {interviews / seconds:6,.0f} interviews/s, "
        f"{1e6 * cpu / found['rows']:5.2f} µs CPU a row; {found['grown']:+5.0f} MiB; "
        f"{found['megabytes']:,.1f} MB{over}",
        flush=True,
    )


WAYS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "make": make,
    "export": exported,
    "draft": drafted,
    "csv": written,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--interviews", type=int, nargs="+", default=USUAL)
    parser.add_argument("--full", action="store_true", help=f"{FULL} interviews")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--once", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        import django

        django.setup()
        what, *words = given.once
        print(json.dumps(WAYS[what](*words)))
        return

    print(f"Exporting what is coded on {DIMENSIONS * CODES} codes")
    for size in FULL if given.full else given.interviews:
        with databases() as places:
            for name, url in places.items():
                if given.only in (None, name.lower()):
                    measure(name, url, size)
    for size, (seconds, memory) in LABEL_STUDIO.items():
        print(
            f"  Label Studio 1.23 at {size:,}: {seconds} s, {size / seconds:.0f} interviews/s, "
            f"{memory:,} MiB, with one record an interview{' (reckoned)' if size > 20_000 else ''}"
        )


def measure(name: str, url: str, interviews: int) -> None:
    """Make up a study in the empty database at `url`, export it, and print what that took."""
    began = time.perf_counter()
    measured(MODULE, "make", url, interviews)
    print(
        f"{name}: {interviews:,} interviews (made up in {time.perf_counter() - began:.0f} s)",
        flush=True,
    )
    rows = 0
    for ending in FORMATS:
        found = measured(MODULE, "export", url, ending)
        show(ending, found, interviews, bars=interviews == max(FULL))
        rows = found.get("rows", rows)
    few = min(DRAFT, interviews)
    show(f"first draft, {few:,}", measured(MODULE, "draft", url, few), few)
    show("csv module from memory", measured(MODULE, "csv", url, few, rows), interviews)


if __name__ == "__main__":
    main()
