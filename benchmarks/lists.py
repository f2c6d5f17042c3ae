"""The list of interviews: a page, cut down, sorted, searched; and how long the index takes.

Interviews of 9,000 characters in eleven languages and nine scripts stand in a database of their
own, with a run that coded nearly all and people who coded 500. What is measured is the whole
request, as the site answers it, without a network; CPU is that of this process, which on a machine
that does other things too says more (SQLite works in it, PostgreSQL does not). Run with
`python -m benchmarks.lists [--full] [--interviews N]`; `--full` takes 5,000 and 80,508 interviews.
PostgreSQL is measured too where it answers (`BENCHMARK_POSTGRES_URL`).
"""

import argparse
import io
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FULL = 80_508
LENGTH = 9_000
TIMES = 40
POSTGRES = os.environ.get(
    "BENCHMARK_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/concord_lists"
)
SCRIPTS = {
    "en": "etaoinshrdlucmfwypvbgk",
    "de": "enisratdhulcgmobwfkzüäöß",
    "es": "eaosrnidlctumpbgvyqhfzjñó",
    "sw": "aiunkeomtwhlsyzgbdprj",
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхж",
    "ar": "الينمتوربعدكسقفهحجشصطخ",
    "hi": "कनरतसमलपवहदजबयगचशभणडािीेो",
    "ko": "이다가는을를에고의도한사람일정보시지기리아나",
    "th": "กขคงจชซดตถทนบปผพฟมยรลวสหอะาิีุูเแโใไ่้",
    "ja": "".join(map(chr, itertools.chain(range(0x3042, 0x3092), range(0x4E00, 0x7000, 7)))),
    "zh": "".join(map(chr, range(0x4E00, 0x9C00, 7))),
}
UNSPACED = {"th", "ja", "zh"}
VOCABULARY = 30_000
COUNTRIES = [f"{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(159)]


class Writer:
    """Makes up interviews whose words are as unevenly frequent as those of a language."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(80_508)
        self.words = {language: self._vocabulary(language) for language in SCRIPTS}
        shares = 1 / np.arange(1, VOCABULARY + 1)
        self.up_to = np.cumsum(shares / shares.sum())

    def _vocabulary(self, language: str) -> list[str]:
        letters = SCRIPTS[language]
        shares = 1 / np.arange(1, len(letters) + 1) ** 0.5
        longest = 4 if language in ("zh", "ja") else 10
        lengths = self.random.integers(2, longest, VOCABULARY)
        lengths[:100] = self.random.integers(2, 4, 100)
        drawn = self.random.choice(
            len(letters), size=(VOCABULARY, longest), p=shares / shares.sum()
        )
        return ["".join(letters[i] for i in row[:n]) for row, n in zip(drawn, lengths, strict=True)]

    def text(self, language: str) -> str:
        """Return an interview of LENGTH characters."""
        words, between = self.words[language], "" if language in UNSPACED else " "
        many = LENGTH // (2 if language in ("zh", "ja") else 3)
        drawn = np.searchsorted(self.up_to, self.random.random(many)).clip(max=VOCABULARY - 1)
        said = [words[place] for place in drawn]
        for place in range(13, many, 14):
            said[place] += "。" if language in ("zh", "ja") else ". "
        return between.join(said)[:LENGTH]


def interviews(count: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows of the table of transcripts, by their columns."""
    writer, names = Writer(), list(SCRIPTS)
    for number in range(1, count + 1):
        language = names[number % len(names)] if number % 1_000 else "qu"
        text = writer.text(language if language in SCRIPTS else "es")
        source = "unsure" if number % 50 == 0 else "declared"
        length = LENGTH - number % 977
        yield (
            *(number, 1, number, f"interview {number * 7_919 % 1_000_003:06}", language, source),
            *("{}", "interviews.csv", f"{number:064}", length, "2026-11-21T00:00:00+00:00"),
            *(json.dumps([[0, length, "", "participant"]]), text),
        )


TABLES = {
    "studies_participant": ("id", "study_id", "external_id", "attributes"),
    "studies_transcript": (
        *("id", "study_id", "participant_id", "external_id", "language", "language_source"),
        *("language_votes", "source_name", "digest", "length", "imported_at", "turns", "text"),
    ),
    "studies_segment": ("id", "transcript_id", "index", "start", "end"),
    "coding_coding": (
        *("id", "segment_id", "revision_id", "run_id", "person_id", "kind", "dimensions"),
        *("note", "created_at"),
    ),
}


def fill(count: int) -> None:
    """Fill the empty database with a study of `count` interviews, by bulk statements."""
    from django.contrib.auth.models import User
    from django.db import connection, transaction

    from codebooks.models import Codebook, Revision
    from coding.models import Run
    from studies.models import Membership, Study

    study = Study.objects.create(pk=1, slug="large", name="Large")
    lead = User.objects.create_user("lead")
    Membership.objects.create(study=study, person=lead, name="lead", role="lead")
    revision = Revision.objects.create(
        codebook=Codebook.objects.create(study=study, name="codebook"), number=1, digest="0"
    )
    run = Run.objects.create(study=study, revision=revision, coder="imported", name="a", model="m")
    day = "2026-11-21T00:00:00+00:00"
    people = (
        (
            *(number, 1, str(number)),
            json.dumps(
                {
                    "country": COUNTRIES[number % 159],
                    "age": number % 80,
                    "job": f"job {number % 30}",
                }
            ),
        )
        for number in range(1, count + 1)
    )
    # One in 400 was not coded by the run; 500 were coded by a person.
    coded = [number for number in range(1, count + 1) if number % 400]
    reviewed = range(1, count + 1, max(count // 500, 1))
    codings = itertools.chain(
        ((n, n, revision.pk, run.pk, None, "blind", "[]", "", day) for n in coded),
        ((count + n, n, revision.pk, None, lead.pk, "blind", "[]", "", day) for n in reviewed),
    )
    rows = {
        "studies_participant": people,
        "studies_transcript": interviews(count),
        "studies_segment": ((n, n, 1, 0, LENGTH) for n in range(1, count + 1)),
        "coding_coding": codings,
    }
    for table, columns in TABLES.items():
        names = ", ".join(f'"{name}"' for name in columns)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                    for row in rows[table]:
                        copy.write_row(row)
                counter = f"pg_get_serial_sequence('{table}', 'id')"
                cursor.execute(f"SELECT setval({counter}, max(id)) FROM {table}")  # noqa: S608
                continue
            gaps = ", ".join("%s" for _name in columns)
            sql = f"INSERT INTO {table} ({names}) VALUES ({gaps})"  # noqa: S608
            source = iter(rows[table])
            while batch := list(itertools.islice(source, 500)):
                with transaction.atomic():
                    cursor.executemany(sql, batch)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "postgresql" else "PRAGMA optimize")


def asked(count: int) -> dict[str, dict[str, Any]]:
    """Return what the pages are asked, by what it stands for."""
    words = Writer().words
    middle = str(count // 2)
    return {
        "list": {},
        "list: in the middle": {"after": middle},
        "list: the last page": {"before": str(count + 1)},
        "filter: language": {"language": "sw"},
        "filter: rare language": {"language": "qu"},
        "filter: unsure": {"source": "unsure"},
        "filter: part of the id": {"id": "12345"},
        "filter: attribute": {"attribute": "country", "value": "BC"},
        "filter: attribute nobody has": {"attribute": "country", "value": "nowhere"},
        "filter: not coded by a run": {"state": "not_coded"},
        "filter: coded by people": {"state": "reviewed"},
        "filter: not coded by people": {"state": "not_reviewed"},
        "sort: length": {"sort": "-length"},
        "sort: length, in the middle": {"sort": "-length", "after": middle},
        "sort: id": {"sort": "id"},
        "sort and filter": {"sort": "-length", "language": "zh", "source": "unsure"},
        "sort and filter by language": {"sort": "length", "language": "sw"},
        "search: frequent word": {"text": words["en"][0]},
        "search: rare word": {"text": words["en"][25_000]},
        "search: nowhere": {"text": "zzzzzz"},
        "search: beginning of a word": {"text": words["de"][40][:3]},
        "search: two words": {"text": f"{words['en'][3]} {words['en'][30]}"},
        "search: four frequent words": {"text": " ".join(words["en"][:4])},
        "search: Chinese, two characters": {"text": words["zh"][300][:2]},
        "search: Chinese, one character": {"text": words["zh"][0][0]},
        "search: Chinese, six characters": {"text": "".join(words["zh"][:3])[:6]},
        "search: Japanese": {"text": words["ja"][500][:3]},
        "search: Thai": {"text": words["th"][700][:6]},
        "search: Thai, frequent": {"text": words["th"][0][:3]},
        "search: Arabic": {"text": words["ar"][900]},
        "search in a language": {"text": words["en"][0], "language": "en"},
        "search in another language": {"text": words["en"][5], "language": "zh"},
    }


BARS = {"list": 100, "filter": 150, "sort": 150, "search": 300}  # ms, at 80,508


def once(count: int) -> dict[str, Any]:
    """Fill, index and measure in this process; the database is the environment's."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from studies.models import Study
    from studies.search import index

    call_command("migrate", verbosity=0)
    print(f"  {count}: fill", file=sys.stderr, flush=True)
    if not Study.objects.exists():
        fill(count)
    study = Study.objects.get()
    print(f"  {count}: index", file=sys.stderr, flush=True)
    began = time.perf_counter()
    assert index(study) == 0
    indexing = time.perf_counter() - began
    print(f"  {count}: ask", file=sys.stderr, flush=True)
    client = Client()
    client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    measured = {}
    client.get("/studies/large/transcripts/", {"text": "warm"})  # templates, and what is missing
    for name, parameters in asked(count).items():
        took, worked = [], []
        for _time in range(TIMES):
            began, busy = time.perf_counter(), time.process_time()
            answer = client.get("/studies/large/transcripts/", parameters)
            took.append(1000 * (time.perf_counter() - began))
            worked.append(1000 * (time.process_time() - busy))
            assert answer.status_code == 200
        measured[name] = {
            "median": statistics.median(took),
            "p95": sorted(took)[int(0.95 * TIMES)],
            "cpu": statistics.median(worked),
            "kB": len(answer.content) / 1000,
            "rows": answer.content.count(b'<th scope="row">'),
        }
    return {
        "pages": measured,
        "indexed": count / indexing,
        "megabytes": size(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def size() -> float:
    """Return how large the index is, in MB."""
    from django.db import connection

    sql = (
        "SELECT sum(length(block)) FROM studies_words_data"
        if connection.vendor == "sqlite"
        else "SELECT pg_total_relation_size('studies_searchable')"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return float(cursor.fetchone()[0]) / 1e6


def measured(count: int, url: str) -> dict[str, Any]:
    """Return what `once` measures, in a process of its own."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "CONCORD_SECRET_KEY": "benchmark",
        "CONCORD_HOSTS": "testserver",
        "DATABASE_URL": url,
    }
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.lists", "--once", str(count)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(done.returncode)
    return dict(json.load(io.StringIO(done.stdout)))


def postgres(empty: bool = True) -> bool:
    """Make the benchmark's own database on PostgreSQL anew; whether there is one to make it on."""
    import psycopg

    address, _slash, name = POSTGRES.rpartition("/")
    try:
        with psycopg.connect(f"{address}/postgres", autocommit=True, connect_timeout=3) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{name}"')
            if empty:
                server.execute(f'CREATE DATABASE "{name}"')
    except psycopg.Error:
        return False
    return True


def show(found: dict[int, dict[str, Any]]) -> None:
    """Print what was measured at each size, side by side."""
    sizes = list(found)
    for count in sizes:
        one = found[count]
        print(
            f"  {count:6} indexed {one['indexed']:5.0f} interviews/s, "
            f"{one['megabytes']:5.0f} MB, process at most {one['memory']:4.0f} MiB"
        )
    print(
        f"  {'median / p95 ms':34}" + "".join(f"{size:>18}" for size in sizes) + "   CPU   kB  rows"
    )
    for name, last in found[sizes[-1]]["pages"].items():
        cells = ""
        for count in sizes:
            page = found[count]["pages"][name]
            cells += f"{page['median']:9.0f} / {page['p95']:6.0f}"
        bar = BARS[name.split(":")[0].split()[0]]
        over = "  OVER" if sizes[-1] == FULL and last["p95"] > bar else ""
        print(f"  {name:34}{cells}  {last['cpu']:4.0f} {last['kB']:4.0f}  {last['rows']:4}{over}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interviews", type=int, default=2_000)
    parser.add_argument("--full", action="store_true", help=f"5,000 and {FULL} interviews")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(once(options.once)))
        return
    sizes = [5_000, FULL] if options.full else [options.interviews]
    if options.only != "postgresql":
        print("SQLite")
        with tempfile.TemporaryDirectory() as folder:
            show(
                {
                    count: measured(count, f"sqlite:///{Path(folder) / f'{count}.sqlite3'}")
                    for count in sizes
                }
            )
    if options.only == "sqlite":
        return
    if not postgres():
        print("PostgreSQL does not answer: it was left out")
        return
    print("PostgreSQL")
    found = {}
    for count in sizes:
        postgres()
        found[count] = measured(count, POSTGRES)
    postgres(empty=False)
    show(found)


if __name__ == "__main__":
    main()
