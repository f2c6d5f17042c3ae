"""Find words in a study's interviews, in any script, without reading the interviews.

The index is one table of FTS5 in SQLite and a GIN index over a tsvector in PostgreSQL; both hold
the same words, made in `studies/words.py`, so that both find the same and nothing depends on a
database's locale or on an extension. An import does not wait for it: `index` brings it up to date.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.core.exceptions import EmptyResultSet
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from .models import Searchable, Study, Transcript
from .words import asked, hit, pieces

BATCH = 100  # interviews indexed in one transaction
AROUND = 90  # characters shown before and after a hit
CHECKED = 600  # seconds for which interviews before the last one indexed are taken to be, too
# OFFSET 0: put in order as a whole, and not looked for while the table is gone through in order.
_ALL = (
    "SELECT id, transcript_id, words FROM studies_searchable "
    "WHERE words @@ %s::tsquery ORDER BY id {direction} OFFSET 0"
)
OF_THE_HIT = "studies_transcript.id = s.transcript_id"


@dataclass(frozen=True)
class Snippet:
    """The words of an interview where a hit stands; `before` or `after` is cut where it has to."""

    before: str
    hit: str
    after: str


def missing(study: Study) -> "QuerySet[Transcript]":
    """Return the transcripts of `study` that a search does not know yet."""
    rows: QuerySet[Transcript] = study.transcripts.filter(searchable=None)
    return rows


def index(
    study: Study,
    *,
    seconds: float | None = None,
    advance: Callable[[int, int | None], None] | None = None,
) -> int:
    """Index what a search does not know yet, for `seconds` at most; return how many are left.

    A batch is one short transaction: interrupted, the same call goes on. Two at once share it.
    """
    until = time.monotonic() + seconds if seconds is not None else None
    todo = list(missing(study).order_by("pk").values_list("pk", flat=True))
    for done in range(0, len(todo), BATCH):
        if until is not None and time.monotonic() >= until:
            break
        batch = todo[done : done + BATCH]
        texts = dict(Transcript.objects.filter(pk__in=batch).values_list("pk", "text"))
        found = [(pk, list(pieces(texts[pk]))) for pk in batch if pk in texts]
        try:
            with transaction.atomic():
                if seconds is None and done + BATCH < len(todo):
                    _in_bulk()
                _store(found)
        except IntegrityError:
            pass  # somebody else indexed some of them, or removed them; the next call looks again
        if advance:
            advance(min(done + BATCH, len(todo)), len(todo))
    if not todo:
        return 0
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE studies_searchable")
    return missing(study).count()


def bring_up_to_date(study: Study, seconds: float) -> int:
    """Index, before a search, what was imported just now; return how many are left."""
    newest = study.transcripts.order_by("-pk").values_list("pk", flat=True).first() or 0
    # Looking whether any of 80,000 is missing takes as long as the search: not every time.
    if cache.get(_known(study), -1) >= newest:
        return 0
    left = index(study, seconds=seconds)
    if not left:
        cache.set(_known(study), newest, CHECKED)
    return left


def forget(study: Study, transcripts: Collection[int]) -> None:
    """Take the transcripts with these keys out of the index, because their texts change."""
    # What FTS5 holds under a number that no row has any more is never found.
    Searchable.objects.filter(transcript__in=transcripts, transcript__study=study).delete()
    cache.delete(_known(study))


def erase(study: Study, transcripts: Collection[int]) -> None:
    """Take the transcripts with these keys out of the index with every word, before they go."""
    if connection.vendor == "sqlite":  # in PostgreSQL the words are in the rows
        held = Searchable.objects.filter(transcript__in=transcripts)
        rows: dict[int, list[int]] = {}
        for pk, transcript in held.order_by("piece").values_list("pk", "transcript_id"):
            rows.setdefault(transcript, []).append(pk)
        texts = Transcript.objects.filter(pk__in=rows).values_list("pk", "text")
        with connection.cursor() as cursor:
            # A table without the texts has to be told what it holds, to forget it.
            cursor.executemany(
                "INSERT INTO studies_words (studies_words, rowid, words) VALUES ('delete', %s, %s)",
                [
                    pair
                    for pk, text in texts.iterator(chunk_size=BATCH)
                    for pair in zip(rows[pk], pieces(text), strict=False)
                ],
            )
    forget(study, transcripts)


def matching(
    rows: "QuerySet[Transcript]",
    query: str,
    limit: int,
    after: int = 0,
    before: int = 0,
    narrow: bool = True,
) -> list[int]:
    """Return the keys of the first `limit` of `rows` in which the words of `query` stand in a row.

    They come in the order in which they were indexed, which is that of the import. `after` and
    `before` are keys of transcripts between which to look; with `before`, those next to it. Say
    if `rows` are not `narrow`: each hit is then looked up, instead of all rows beforehand.
    """
    words, open_end = asked(query)
    if not words:
        return []
    try:
        inside, parameters = rows.order_by().values("pk").query.sql_with_params()
    except EmptyResultSet:
        return []
    where = [f"s.transcript_id IN ({inside})" if narrow else f"EXISTS ({inside} AND {OF_THE_HIT})"]
    values: list[Any] = [*parameters]
    backwards = before and not after
    number = "studies_words.rowid" if connection.vendor == "sqlite" else "s.id"
    for key, sign, newest in ((after, ">", "-pk"), (before, "<", "pk")):
        if key:
            edge = Searchable.objects.filter(transcript=key).order_by(newest)
            where.append(f"{number} {sign} %s")
            values.append(edge.values_list("pk", flat=True).first() or 0)
    direction = "DESC" if backwards else "ASC"
    with _hits(words, open_end, direction) as (cursor, table, condition, hit_values):
        where.insert(0, condition)
        sql = (
            f"SELECT s.transcript_id FROM {table} WHERE {' AND '.join(where)} "  # noqa: S608  no input
            f"ORDER BY {number} {direction} LIMIT %s"
        )
        taken = 2 * limit
        while True:
            cursor.execute(sql, [*hit_values, *values, taken])
            rows_found = [key for (key,) in cursor.fetchall()]
            keys = list(dict.fromkeys(rows_found))[:limit]
            if len(keys) == limit or len(rows_found) < taken:
                return keys[::-1] if backwards else keys
            taken *= 4  # long transcripts have several pieces


@contextmanager
def _hits(
    words: list[str], open_end: bool, direction: str
) -> Iterator[tuple[Any, str, str, list[str]]]:
    """Yield a cursor, and where it finds `words` in a row: a table `s`, a condition, their values.

    PostgreSQL's index knows which pieces hold all the words, but not where. Those are put in order
    first, without reading them; whether the words stand in a row is then read off one after the
    other, until there are enough.
    """
    if connection.vendor == "sqlite":
        table = "studies_words JOIN studies_searchable s ON s.id = studies_words.rowid"
        phrase = f'"{" ".join(words)}"' + (" *" if open_end else "")
        with connection.cursor() as cursor:
            yield cursor, table, "studies_words MATCH %s", [phrase]
        return
    said = [f"'{word}'" for word in words]
    said[-1] += ":*" if open_end else ""
    with transaction.atomic(), connection.cursor() as cursor:
        # The index, whatever it expects: what it knows of words are the most frequent.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL work_mem = '32MB'")  # to put a hundred thousand pieces in order
        table = f"({_ALL.format(direction=direction)}) s"
        if len(said) == 1:
            yield cursor, table, "TRUE", said
        else:
            phrase = " <-> ".join(said)
            yield cursor, table, "s.words @@ %s::tsquery", [" & ".join(said), phrase]
        cursor.execute("SET LOCAL enable_seqscan TO DEFAULT")
        cursor.execute("SET LOCAL work_mem TO DEFAULT")


def snippets(keys: list[int], query: str) -> dict[int, Snippet]:
    """Return where `query` stands first in each of the transcripts `keys`."""
    shown = {}
    for pk, text in Transcript.objects.filter(pk__in=keys).values_list("pk", "text"):
        start, end = hit(text, query) or (0, 0)
        before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
        if start > AROUND:
            before = "…" + before.partition(" ")[2] if " " in before else "…" + before
        if end + AROUND < len(text):
            after = after.rpartition(" ")[0] + "…" if " " in after else after + "…"
        shown[pk] = Snippet(before, text[start:end], after)
    return shown


def _known(study: Study) -> str:
    return f"indexed-up-to:{study.pk}"


def _store(found: list[tuple[int, list[str]]]) -> None:
    if connection.vendor == "sqlite":
        rows = [
            (Searchable(transcript_id=pk, piece=number), words)
            for pk, parts in found
            for number, words in enumerate(parts, 1)
        ]
        Searchable.objects.bulk_create([row for row, _words in rows])
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO studies_words (rowid, words) VALUES (%s, %s)",
                [(row.pk, words) for row, words in rows],
            )
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO studies_searchable (transcript_id, piece, words) "
            "VALUES (%s, %s, %s::tsvector)",
            [
                (pk, number, _vector(words))
                for pk, parts in found
                for number, words in enumerate(parts, 1)
            ],
        )


def _in_bulk() -> None:
    """Let this transaction leave it to a later one to sort what it adds into the index.

    Sorted in 64 MB at once, a GIN index of a million places takes it three times as fast as in the
    usual 4 MB; the last batch of `index` does it. Whoever searches meanwhile reads it through.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL gin_pending_list_limit = '64MB'")
            cursor.execute("SET LOCAL work_mem = '256MB'")


def _vector(words: str) -> str:
    """Return `words` with their places, as PostgreSQL reads a tsvector: each where it stands."""
    return " ".join(f"'{word}':{place}" for place, word in enumerate(words.split(), 1))
