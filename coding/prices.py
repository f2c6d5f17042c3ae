"""What an answer costs, by a dated table that a person can edit (`prices.toml`). USD, exact."""

import os
import tomllib
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from coding.coders import Usage
from coding.coders.services import ANTHROPIC, plain_name
from studies.problems import Problem, _

TABLE = Path(__file__).with_name("prices.toml")
MILLION = Decimal(1_000_000)
# The ledger's column keeps ten places: the cheapest token there is, in a batch, fits exactly.
PLACES = Decimal("0.0000000001")


@dataclass(frozen=True)
class Price:
    """USD for a million tokens of one model, and when that was so."""

    model: str
    date: str
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write: Decimal
    batch: Decimal = Decimal("0.5")
    # Fewer tokens than this before the cache mark are not cached, without a word about it.
    cache_minimum: int = 0
    long_from: int | None = None
    long: "Price | None" = None

    def cost(self, usage: Usage, *, batch: bool = False) -> Decimal:
        """Return what `usage` costs.

        >>> price("claude-haiku-5-5").cost(Usage(input=2_600, output=300, cache_read=3_000))
        Decimal('0.0004400000')
        """
        total = usage.input + usage.cache_read + usage.cache_write
        if self.long and self.long_from is not None and total > self.long_from:
            return self.long.cost(usage, batch=batch)
        sum_ = (
            usage.input * self.input
            + usage.output * self.output
            + usage.cache_read * self.cache_read
            + usage.cache_write * self.cache_write
        ) / MILLION
        return (sum_ * (self.batch if batch else 1)).quantize(PLACES)

    def times(self, factor: Decimal) -> "Price":
        """Return what the same costs `factor` times."""
        return replace(
            self,
            input=self.input * factor,
            output=self.output * factor,
            cache_read=self.cache_read * factor,
            cache_write=self.cache_write * factor,
            long=self.long and self.long.times(factor),
        )

    def in_batch(self) -> "Price":
        """Return what the same costs in a batch.

        >>> price("claude-haiku-5-5").in_batch().cost(Usage(input=1_000_000))
        Decimal('0.2500000000')
        """
        return self.times(self.batch)

    def caches(self, tokens: int) -> bool:
        """Return whether a prompt of `tokens` is long enough to be cached."""
        return 0 < self.cache_minimum <= tokens

    def caching_pays(self, hits: float) -> bool:
        """Return whether to mark the prompt for the cache when a share of `hits` find it there."""
        share = Decimal(hits)
        return share * self.cache_read + (1 - share) * self.cache_write < self.input

    def most(self, size: int, room: int) -> Decimal:
        """Return the most that a request of `size` UTF-8 bytes and `room` tokens can cost.

        A token is a byte or more, so this is a bound and not an estimate.
        """
        dearest = max(self.input, self.cache_write)
        bound = ((size * dearest + room * self.output) / MILLION).quantize(PLACES)
        if self.long and self.long_from is not None and size > self.long_from:
            return max(bound, self.long.most(size, room))
        return bound


def price(
    model: str, table: Path | None = None, *, service: str = ANTHROPIC, regional: bool = False
) -> Price:
    """Return the price of `model` at `service`, in a region of its own or anywhere.

    A model that the table does not name is a Problem.
    """
    path = table or Path(os.environ.get("CONCORD_PRICES", TABLE))
    rows = read(path)
    theirs = rows.get("services", {}).get(service, {})
    models = {**rows["models"], **theirs.get("models", {})}
    plain = plain_name(model)
    names = [name for name in models if plain == name or plain.startswith(f"{name}-")]
    if model in models:
        names = [model]
    if not names:
        raise Problem(
            _(
                "There is no price for the model “%(model)s” in %(file)s: add what it costs "
                "(0 for a server of your own)."
            ),
            model=model,
            file=path.name,
        )
    name = max(names, key=len)
    row = models[name]
    found = Price(
        model=name,
        date=str(row.get("date") or theirs.get("date") or rows["date"]),
        batch=Decimal(str(rows.get("batch", "0.5"))),
        cache_minimum=int(row.get("cache_minimum", 0)),
        long_from=row.get("long_from"),
        long=figures(name, rows, row, "long_") if "long_from" in row else None,
        **amounts(row, ""),
    )
    more = Decimal(str(theirs.get("regional", "1"))) if regional else Decimal(1)
    return found.times(Decimal(str(theirs.get("factor", "1"))) * more)


def models(table: Path | None = None) -> list[str]:
    """Return the models that the table names; none where it can't be read."""
    try:
        return list(read(table or Path(os.environ.get("CONCORD_PRICES", TABLE)))["models"])
    except Problem:
        return []


def figures(name: str, rows: dict[str, Any], row: dict[str, Any], prefix: str) -> Price:
    """Return the price of `row` under `prefix`."""
    return Price(
        model=name,
        date=str(rows["date"]),
        batch=Decimal(str(rows.get("batch", "0.5"))),
        **amounts(row, prefix),
    )


def amounts(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the four amounts of `row` whose names begin with `prefix`."""
    kinds = ("input", "output", "cache_read", "cache_write")
    return {kind: Decimal(str(row[prefix + kind])) for kind in kinds}


@cache
def read(path: Path) -> dict[str, Any]:
    """Return the table at `path`; one that can't be read is a Problem."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        table["date"], table["models"]
    except (OSError, ValueError, KeyError) as error:
        raise Problem(
            _("The price table %(file)s can't be read: %(error)s."), file=path.name, error=error
        ) from error
    return table
