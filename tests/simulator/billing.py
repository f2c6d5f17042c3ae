"""The simulator's own books: what it charged for which request. This is what runs are held to."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

# USD for a million tokens: input, output, cache read, cache write. Not the application's table.
PRICES = {
    "claude-haiku-5-5": ("0.10", "0.50", "0.01", "0.125"),
    "claude-sonnet-5-5": ("2", "10", "0.10", "2.50"),
    "claude-opus-5-5": ("4", "20", "0.20", "5"),
    "claude-haiku-4-5": ("1", "5", "0.10", "1.25"),
}
CACHE_MINIMUM = {"claude-haiku-5-5": 512, "claude-haiku-4-5": 4_096}


def tokens(value: object) -> int:
    """Return about how many tokens `value` has: a fourth of its bytes."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return math.ceil(len(text.encode("utf-8", "replace")) / 4)


@dataclass
class Entry:
    """One request that was worked on."""

    number: int
    request_id: str
    model: str
    fault: str
    sdk_retry: str
    usage: dict[str, int]
    cost: str
    delivered: bool = False


@dataclass
class Books:
    """Everything charged since the last reset."""

    entries: list[Entry] = field(default_factory=list)
    requests: int = 0
    cached: set[str] = field(default_factory=set)

    def usage(self, body: dict[str, Any], output: str, misses: bool = False) -> dict[str, int]:
        """Return what a request and its answer take; the first with a system prompt writes it."""
        model = str(body["model"])
        system = tokens(body.get("system", ""))
        rest = tokens(body["messages"]) + tokens(body.get("output_config", ""))
        blocks = body.get("system")
        marked = isinstance(blocks, list) and any("cache_control" in block for block in blocks)
        used = {
            "input_tokens": rest + system,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": min(tokens(output), int(body["max_tokens"])),
        }
        if marked and system >= CACHE_MINIMUM.get(model, 1_024):
            key = hashlib.sha256(json.dumps([model, blocks]).encode()).hexdigest()
            kind = "read" if key in self.cached and not misses else "creation"
            self.cached.add(key)
            used["input_tokens"] = rest
            used[f"cache_{kind}_input_tokens"] = system
        return used

    def cost(self, model: str, used: dict[str, int]) -> Decimal:
        """Return what `used` costs."""
        price = [Decimal(amount) for amount in PRICES[model]]
        return (
            used["input_tokens"] * price[0]
            + used["output_tokens"] * price[1]
            + used["cache_read_input_tokens"] * price[2]
            + used["cache_creation_input_tokens"] * price[3]
        ) / 1_000_000

    def told(self) -> dict[str, Any]:
        """Return the books as JSON."""
        delivered = [entry for entry in self.entries if entry.delivered]
        return {
            "requests": self.requests,
            "billed": len(self.entries),
            "total": str(sum((Decimal(entry.cost) for entry in self.entries), Decimal(0))),
            "delivered": str(sum((Decimal(entry.cost) for entry in delivered), Decimal(0))),
            "entries": [asdict(entry) for entry in self.entries],
        }
