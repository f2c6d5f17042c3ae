"""Review through HTTP: the next question and the submission, with 60 codes and half the pool done.

The study is made up in a database of its own: interviews of 9,000 characters in ten languages, all
coded by a machine on 60 codes and all in the pool, of which four people have answered half. The
site runs under waitress in a process of its own, whose CPU time counts beside the waiting. Run with
`python -m benchmarks.review [--full] [--interviews N …] [--calls N] [--database URL]`. The bars are
50 ms for 95 in 100 next and submit, 30 ms of CPU an interview, 40 interviews/s with four coders and
10,000 calls at once without an error or a duplicate. `--full` takes 5,000 and 80,508.
"""

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.imports import TONGUES, interview

FULL = (5_000, 80_508)
USUAL = (1_000, 10_000)
DIMENSIONS, CODES = 6, 10  # sixty codes
TEXTS = 12  # of each language, again and again
BATCH = 2_000
CODERS = [f"coder{number}" for number in range(8)]
BEFORE = 4  # so many of them have answered half of the pool
WARM = 20
CSRF = "b" * 32
LABEL_STUDIO = {"next": (330, 465), "submit": (158, 196)}
LABEL_STUDIO_CPU, LABEL_STUDIO_RATE = 425, 2.0


def build(interviews: int, answered: int | None = None) -> None:
    """Fill the database that the settings name; people answered so many, or else half."""
    import django

    django.setup()
    from django.core.management import call_command

    from codebooks.models import Code, Codebook, Dimension, Kind, Revision
    from coding.models import Run
    from reviews.models import Sample
    from studies.models import Study
    from studies.turns import guess_roles, split

    call_command("migrate", verbosity=0)
    chance = random.Random(7)  # noqa: S311
    study = Study.objects.create(slug="bench", name="Benchmark")
    codebook = Codebook.objects.create(study=study, name="Sixty codes")
    revision = Revision.objects.create(
        codebook=codebook, number=1, digest="0" * 64, frozen_at="2026-01-01T00:00Z"
    )
    codes: list[Code] = []
    for number in range(DIMENSIONS):
        dimension = Dimension.objects.create(
            revision=revision,
            position=number,
            key=f"d{number}",
            label=f"Dimension {number}",
            kind=Kind.MANY,
        )
        codes += Code.objects.bulk_create(
            Code(
                dimension=dimension,
                position=place,
                key=f"c{place}",
                label=f"Code {place}",
                definition="The participant says so in words of their own. " * 3,
            )
            for place in range(CODES)
        )
    run = Run.objects.create(study=study, revision=revision, coder="imported", name="m", model="m")
    sample = Sample.objects.create(
        study=study,
        revision=revision,
        run=run,
        seed=1,
        frame_digest="0" * 64,
        design={"strata": [], "sizes": [], "coders": []},
    )
    texts = []
    for tongue in TONGUES:
        for text in (interview(chance, tongue) for _ in range(TEXTS)):
            turns = [list(turn) for turn in guess_roles(text, split(text))]
            texts.append((tongue[0], text, turns))
    people = coders(study)
    for start in range(0, interviews, BATCH):
        batch = range(start, min(start + BATCH, interviews))
        done = interviews // 2 if answered is None else answered
        fill(study, run, sample, codes, texts, people, batch, done)
    analyze()


def coders(study: Any) -> list[Any]:
    """Return people who code in `study`, signed in under their names."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    from studies.models import Membership, Role

    people = []
    for name in CODERS:
        person = User.objects.create(username=name)
        Membership.objects.create(study=study, person=person, name=name, role=Role.CODER)
        signed_in = {
            SESSION_KEY: str(person.pk),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            HASH_SESSION_KEY: person.get_session_auth_hash(),
        }
        Session.objects.create(
            session_key=name * 4,
            session_data=SessionStore().encode(signed_in),
            expire_date=timezone.now() + timedelta(days=1),
        )
        people.append(person)
    return people


def fill(
    study: Any,
    run: Any,
    sample: Any,
    codes: list[Any],
    texts: list[Any],
    people: list[Any],
    batch: range,
    done: int,
) -> None:
    """Add one batch of interviews, what the machine says of them, and what was answered."""
    from django.db import transaction
    from django.utils import timezone

    from coding.models import Coding, Evidence, Mark
    from reviews.models import Assignment, Item
    from studies.models import Participant, Segment, Transcript

    dimensions = [f"d{number}" for number in range(DIMENSIONS)]
    now = timezone.now()
    with transaction.atomic():
        participants = Participant.objects.bulk_create(
            Participant(
                study=study,
                external_id=f"i{n:06}",
                attributes={
                    "country": f"country {n % 159}",
                    "occupation": f"occupation {n % 40}",
                },
            )
            for n in batch
        )
        transcripts = Transcript.objects.bulk_create(
            Transcript(
                study=study,
                participant=participant,
                external_id=f"i{n:06}",
                language=texts[n % len(texts)][0],
                language_source="declared",
                digest="0" * 64,
                length=len(texts[n % len(texts)][1]),
                text=texts[n % len(texts)][1],
                turns=texts[n % len(texts)][2],
            )
            for n, participant in zip(batch, participants, strict=True)
        )
        segments = Segment.objects.bulk_create(
            Segment(transcript=one, index=1, start=0, end=one.length) for one in transcripts
        )
        items = Item.objects.bulk_create(
            Item(
                sample=sample,
                segment=segment,
                position=n,
                stratum="",
                inclusion=1.0,
                coders_wanted=1,
                taken=int(n < done),
                language=transcript.language,
            )
            for n, segment, transcript in zip(batch, segments, transcripts, strict=True)
        )
        answered = [(n, item) for n, item in zip(batch, items, strict=True) if n < done]
        whose = [
            *((segment, {"run": run}) for segment in segments),
            *((item.segment, {"person": people[n % BEFORE]}) for n, item in answered),
        ]
        codings = Coding.objects.bulk_create(
            Coding(segment=segment, revision_id=run.revision_id, dimensions=dimensions, **who)
            for segment, who in whose
        )
        marks = Mark.objects.bulk_create(
            Mark(coding=coding, code=codes[(coding.segment_id * 7 + 11 * place) % len(codes)])
            for coding in codings
            for place in range(5)
        )
        Evidence.objects.bulk_create(
            Evidence(mark=mark, start=100, end=180, found="exact") for mark in marks
        )
        Assignment.objects.bulk_create(
            Assignment(
                item=item,
                person=people[n % BEFORE],
                coding=coding,
                answered_at=now,
                shown_at=now,
                held_until=now,
            )
            for (n, item), coding in zip(answered, codings[len(segments) :], strict=True)
        )


def analyze() -> None:
    """Let the database look at what it holds, as it does by itself in time."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def duplicates() -> dict[str, int]:
    """Return what the rows say afterwards: answers, and how many items have one too many."""
    import django

    django.setup()
    from django.db.models import Count, F, Q

    from coding.models import Coding
    from reviews.models import Assignment, Item

    answered = Count("assignments", filter=Q(assignments__coding__isnull=False))
    items = Item.objects.annotate(answered=answered)
    seats = Count("assignments", filter=Q(assignments__returned_at=None))
    people = Coding.objects.by_people().values("segment").annotate(count=Count("pk"))
    return {
        "answered": Assignment.objects.filter(coding__isnull=False).count(),
        "too many": items.filter(answered__gt=F("coders_wanted")).count()
        + people.filter(count__gt=1).count(),
        "miscounted": items.annotate(seats=seats).exclude(taken=F("seats")).count(),
    }


@dataclass
class Coder:
    """One coder's browser: a connection that stays, and how long each request took (ms)."""

    name: str
    port: int
    times: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.headers = {
            "Cookie": f"sessionid={self.name * 4}; csrftoken={CSRF}",
            "X-CSRFToken": CSRF,
            "Content-Type": "application/json",
        }

    def ask(self, what: str, path: str, body: Any, method: str = "POST") -> Any:
        """Send one request and return its answer, None if it was refused."""
        data = json.dumps(body).encode()
        address = f"/api/studies/bench/review/{path}"
        began = time.perf_counter()
        self.connection.request(method, address, data, self.headers)
        response = self.connection.getresponse()
        content = response.read()
        self.times.setdefault(what, []).append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            self.errors.append(f"{what}: {response.status} {content[:200]!r}")
            return None
        return json.loads(content)

    def code(self, items: int, *, ahead: int = 0, whole: bool = False) -> int:
        """Code so many interviews, `ahead` fetched beforehand; `whole` is all a screen sends."""
        waiting: list[Any] = []
        for done in range(items):
            if len(waiting) <= ahead // 2:
                have = [one["assignment"] for one in waiting]
                got = self.ask("next", "next/", {"have": have, "want": 1 + ahead - len(have)})
                waiting += got["questions"] if got else []
            if not waiting:
                return done
            one = waiting.pop(0)
            said = answers(one)
            version = one["version"]
            if whole:
                self.ask("shown", f"{one['assignment']}/shown/", {})
                draft = {"version": version, "draft": said}
                kept = self.ask("draft", f"{one['assignment']}/draft/", draft, "PUT")
                version = kept["version"] if kept else version
            body = {"client_id": str(uuid.uuid4()), "version": version, "seconds": 90}
            self.ask("submit", f"{one['assignment']}/answer/", {**body, "answers": said})
        return items


def answers(question: Any) -> Any:
    """Return a yes or no to every code, some of them with evidence."""
    turn = next(turn for turn in question["turns"] if turn["role"] == "participant")
    passage = [turn["start"], min(turn["start"] + 40, turn["end"])]
    return {
        "said": [
            {
                "dimension": f"d{dimension}",
                "code": f"c{place}",
                "answer": "yes" if (yes := place == dimension) else "no",
                "passages": [passage] if yes else [],
            }
            for dimension in range(DIMENSIONS)
            for place in range(CODES)
        ],
        "decided": [f"d{dimension}" for dimension in range(DIMENSIONS)],
        "left": [],
        "note": "",
        "confidence": 2,
    }


def serve(port: int) -> None:
    """Serve the site as `manage.py demo` does."""
    import logging

    import waitress

    from config.wsgi import application

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a request waits: no news
    waitress.serve(application, listen=f"127.0.0.1:{port}", threads=8, ident="Concord")


@contextmanager
def site(environment: dict[str, str]) -> Iterator[tuple[int, Callable[[], float]]]:
    """Yield the port of a site in a process of its own, and what tells its CPU seconds so far."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.review", "--serve", str(port)]
    process = subprocess.Popen(command, env=environment)  # noqa: S603
    try:
        for _ in range(300):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        watched = psutil.Process(process.pid)

        def busy() -> float:
            spent = watched.cpu_times()
            return float(spent.user + spent.system)

        yield port, busy
    finally:
        process.terminate()
        process.wait()


def at_once(coders: list[Coder], items: int, **how: Any) -> float:
    """Let all of `coders` code at the same time, so many interviews each; return the seconds."""
    threads = [threading.Thread(target=one.code, args=(items,), kwargs=how) for one in coders]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def told(times: list[float]) -> str:
    """Return the median and the 95th percentile of `times` in ms."""
    ordered = sorted(times)
    p95 = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    return f"{statistics.median(ordered):6.1f} /{p95:6.1f} ms"


def measure(environment: dict[str, str], interviews: int, calls: int) -> int:
    """Measure one site and print what was found; return how many errors and duplicates."""
    with site(environment) as (port, busy):
        warm = [Coder(name, port) for name in CODERS]
        at_once(warm, WARM // 4)
        alone = Coder(CODERS[0], port)
        items = min(300, interviews // 10)
        before = busy()
        alone.code(items)
        cpu = (busy() - before) * 1000 / items
        print(f"  next, alone                 {told(alone.times['next'])}")
        print(f"  submit, alone               {told(alone.times['submit'])}")
        print(f"  server CPU an interview     {cpu:6.1f} ms (next and submit)")
        screen = Coder(CODERS[1], port)
        before = busy()
        screen.code(items // 3, ahead=2, whole=True)
        cpu = (busy() - before) * 1000 / (items // 3)
        print(f"  as the screen sends         {cpu:6.1f} ms CPU (and shown, draft, two ahead)")
        four = [Coder(name, port) for name in CODERS[:4]]
        each = min(150, interviews // 25)
        seconds = at_once(four, each)
        print(f"  four coders                 {4 * each / seconds:6.1f} interviews/s")
        eight = [Coder(name, port) for name in CODERS]
        each = min(calls // 12 + 1, interviews // 32)  # half of the fetching is spared
        seconds = at_once(eight, each, ahead=2)
        sent = sum(len(times) for one in eight for times in one.times.values())
        errors = [error for one in [*warm, alone, screen, *four, *eight] for error in one.errors]
        every = [time for one in eight for times in one.times.values() for time in times]
        print(
            f"  eight coders at once        {told(every)}, {sent} calls in {seconds:.0f} s, "
            f"{8 * each / seconds:.1f} interviews/s"
        )
    after = json.loads(in_process(environment, "--duplicates"))
    print(f"  errors {len(errors)}, items with a coder too many {after['too many']}", end="")
    print(f", miscounted {after['miscounted']} ({after['answered']} answers in all)")
    for error, count in Counter(errors).most_common(3):
        print(f"    {count} × {error}")
    return len(errors) + int(after["too many"]) + int(after["miscounted"])


def in_process(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.review", *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return done.stdout


@contextmanager
def database(url: str, folder: Path) -> Iterator[str]:
    """Yield the address of an empty database: a file, or a new one on the server of `url`."""
    if not url:
        yield f"sqlite:///{folder / 'review.sqlite3'}"
        return
    import psycopg

    name = f"concord_bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interviews", type=int, nargs="+", default=USUAL)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--full", action="store_true", help=f"{FULL} interviews, 10,000 calls")
    parser.add_argument("--database", default="", help="a PostgreSQL server to make a database on")
    parser.add_argument("--build", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--duplicates", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        return build(options.build)
    if options.serve:
        return serve(options.serve)
    if options.duplicates:
        return print(json.dumps(duplicates()))

    wrong = 0
    sizes, calls = (FULL, 10_000) if options.full else (options.interviews, options.calls)
    kind = "PostgreSQL" if options.database else "SQLite"
    print(f"Reviewing with {DIMENSIONS * CODES} codes on {kind}, times as median / 95th percentile")
    for size in sizes:
        with (
            tempfile.TemporaryDirectory() as folder,
            database(options.database, Path(folder)) as address,
        ):
            environment = {
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "CONCORD_SECRET_KEY": "benchmark",
                "CONCORD_DATA": folder,
                "DATABASE_URL": address,
            }
            began = time.perf_counter()
            in_process(environment, "--build", str(size))
            print(f"{size:,} interviews (made up in {time.perf_counter() - began:.0f} s)")
            wrong += measure(environment, size, calls)
    (median, p95), (submit, most) = LABEL_STUDIO["next"], LABEL_STUDIO["submit"]
    print(
        f"  Label Studio 1.23 at 80,508 (published): next {median} / {p95} ms, submit {submit} / "
        f"{most} ms, {LABEL_STUDIO_CPU} ms CPU, {LABEL_STUDIO_RATE} interviews/s with four coders"
    )
    if wrong:
        sys.exit(f"{wrong} errors and duplicates")


if __name__ == "__main__":
    main()
