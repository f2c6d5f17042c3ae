"""Many rows in one go: what a run writes for every interview, past the ORM.

Django puts a statement together anew each time and makes an object of each row; for work that is
done 80,508 times over, that took longer than the databases did. Here both are done once for a
table. Rows are tuples in the order of the names, times as `moment` writes them; what is not named
gets its field's default.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

from django.db import connection
from django.db.models import DecimalField, Field, JSONField, Model
from django.db.models.fields import NOT_PROVIDED

Row = tuple[Any, ...]


def insert(model: type[Model], names: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Add `rows` of `model`, which hold what `names` says."""
    shape = shaped(model, names, connection.vendor)
    table, columns = model._meta.db_table, ", ".join(shape.columns)
    written = [shape.written(row) for row in rows]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            places = ", ".join(["%s"] * len(shape.columns))
            cursor.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608  our own names
                written,
            )
            return
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {shape.given}",  # noqa: S608
            [as_one_value(shape, written)],
        )


def update(model: type[Model], keys: int, names: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Change `rows` of `model`: the first `keys` of `names` say which, the others what to."""
    shape = shaped(model, names, connection.vendor, complete=False)
    table, columns = model._meta.db_table, shape.columns
    written = [shape.written(row) for row in rows]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            what = ", ".join(f"{column} = %s" for column in columns[keys:])
            which = " AND ".join(f"{column} = %s" for column in columns[:keys])
            cursor.executemany(
                f"UPDATE {table} SET {what} WHERE {which}",  # noqa: S608  our own names
                [row[keys:] + row[:keys] for row in written],
            )
            return
        what = ", ".join(f"{column} = given.{column}" for column in columns[keys:])
        which = " AND ".join(f"{table}.{column} = given.{column}" for column in columns[:keys])
        cursor.execute(
            f"UPDATE {table} SET {what} FROM {shape.given} WHERE {which}",  # noqa: S608  our own
            [as_one_value(shape, written)],
        )


def as_one_value(shape: "Shape", rows: Sequence[Row]) -> str:
    """Return `rows` as what goes with `shape.given`: PostgreSQL reads it faster than psycopg
    puts a thousand values into a statement, and the statement stays the same."""
    names = [column.strip('"') for column in shape.columns]
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=spelt_out)


def spelt_out(value: object) -> str:
    """Return a value that JSON has no form for as PostgreSQL reads it."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


def rows_of(sql: str, *given: Any) -> list[Row]:
    """Return what the query `sql` finds.

    In it `{among}` ends a condition that a column is one of the keys that are `listed`; `{locked}`
    ends a query whose rows nobody else may change until the transaction ends, `{unlocked}` one
    that leaves out, too, what somebody else has so. SQLite has one writer anyway.
    """
    with connection.cursor() as cursor:
        cursor.execute(spelt(sql, connection.vendor), given)
        return list(cursor.fetchall())


def done(sql: str, *given: Any) -> int:
    """Carry out `sql`, which is written as in `rows_of`, and return how many rows it met."""
    with connection.cursor() as cursor:
        cursor.execute(spelt(sql, connection.vendor), given)
        return int(cursor.rowcount)


def listed(keys: Iterable[int]) -> Any:
    """Return `keys` as what goes with `{among}`: one value, so that the statement is the same."""
    return json.dumps(list(keys)) if connection.vendor == "sqlite" else list(keys)


@cache
def spelt(sql: str, vendor: str) -> str:
    """Return `sql` as the database wants it."""
    lite = vendor == "sqlite"
    words = {
        "{among}": "IN (SELECT value FROM json_each(%s))" if lite else "= ANY(%s)",
        "{locked}": "" if lite else "FOR UPDATE",
        "{unlocked}": "" if lite else "FOR UPDATE SKIP LOCKED",
    }
    for word, said in words.items():
        sql = sql.replace(word, said)
    return sql


@dataclass(frozen=True)
class Shape:
    """How rows of some columns are written into the database that is in use."""

    columns: tuple[str, ...]
    given: str  # the rows as a table of PostgreSQL's, in the place of one value
    converted: tuple[tuple[int, Callable[[Any], Any]], ...]  # which values are written otherwise
    defaults: Row

    def written(self, row: Row) -> Row:
        """Return `row` as the database takes it."""
        if self.converted:
            values = list(row)
            for at, convert in self.converted:
                values[at] = convert(values[at])
            row = tuple(values)
        return row + self.defaults


@cache
def shaped(
    model: type[Model], names: tuple[str, ...], vendor: str, *, complete: bool = True
) -> Shape:
    """Return the shape of rows that hold `names`; `complete` ones have all other columns too."""
    named: list[Any] = [model._meta.get_field(name) for name in names]
    more: list[Any] = []
    if complete:
        own = [field for field in model._meta.concrete_fields if not field.primary_key]
        more = [field for field in own if field not in named and has_default(field)]
    plain = vendor != "sqlite"  # there JSON in JSON is what it says
    defaults = tuple(
        field.get_default() if plain else field.get_db_prep_save(field.get_default(), connection)
        for field in more
    )
    converted = [(at, converter(field, vendor)) for at, field in enumerate(named)]
    columns = tuple(connection.ops.quote_name(field.column) for field in named + more)
    types = [str(field.db_type(connection)).partition("(")[0] for field in named + more]
    pairs = ", ".join(f"{column} {kind}" for column, kind in zip(columns, types, strict=True))
    return Shape(
        columns=columns,
        given=f"json_to_recordset(%s) AS given({pairs})",
        converted=tuple((at, convert) for at, convert in converted if convert),
        defaults=defaults,
    )


def has_default(field: "Field[Any, Any]") -> bool:
    """Return whether `field` has to be given a value that it knows itself."""
    return field.default is not NOT_PROVIDED or (
        not field.null and bool(field.empty_strings_allowed)
    )


def converter(field: "Field[Any, Any]", vendor: str) -> Callable[[Any], Any] | None:
    """Return how values of `field` are written, None where they are written as they are."""
    if isinstance(field, DecimalField):
        return partial(money, digits=field.max_digits, places=field.decimal_places)
    return json.dumps if isinstance(field, JSONField) and vendor == "sqlite" else None


def moment(when: datetime | None) -> Any:
    """Return a time as the database takes it."""
    return connection.ops.adapt_datetimefield_value(when)


def money(amount: Decimal | None, digits: int = 16, places: int = 10) -> Any:
    """Return an amount as the database takes it."""
    return connection.ops.adapt_decimalfield_value(amount, digits, places)
