"""Rows put in order in a temporary file of SQLite's, which is deleted when it is closed.

So a file of any size and in any order takes little memory. Plain Python.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

BATCH = 5000

Field = str | int | None


@contextmanager
def stored(*columns: str) -> Iterator[sqlite3.Connection]:
    """Give a store whose table `rows` has `columns`, such as "line INTEGER", while the block runs.

    Rows can be put into it in any order.

    >>> with stored("name TEXT", "line INTEGER") as store:
    ...     count = keep(store, [("b", 1), ("a", 2)])
    ...     count, store.execute("SELECT name FROM rows ORDER BY name").fetchall()
    (2, [('a',), ('b',)])
    """
    store = sqlite3.connect("")
    try:
        store.execute(f"CREATE TABLE rows ({', '.join(columns)})")
        yield store
    finally:
        store.close()


def keep(store: sqlite3.Connection, rows: Iterable[tuple[Field, ...]]) -> int:
    """Put `rows` into the store, their fields in the order of its columns; return how many."""
    rows, count = iter(rows), 0
    while batch := list(islice(rows, BATCH)):
        gaps = ",".join("?" * len(batch[0]))
        store.executemany(f"INSERT INTO rows VALUES ({gaps})", batch)  # noqa: S608  only gaps
        count += len(batch)
    return count
