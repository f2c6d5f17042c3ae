"""The simulator's limits: token buckets with continuous refill, and headers that tell of them."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

NAMES = {"requests": "requests", "input": "input-tokens", "output": "output-tokens"}
MINUTE = 60.0


@dataclass
class Limits:
    """A bucket for each kind in `a_minute`, holding `burst` of a minute's worth at most."""

    a_minute: dict[str, float] = field(default_factory=dict)
    burst: float = 1.0
    left: dict[str, float] = field(default_factory=dict)
    at: float = 0.0
    admitted: list[float] = field(default_factory=list)  # when, by time.monotonic()
    turned_away: int = 0

    def fill(self) -> None:
        """Bring the buckets up to now."""
        now = time.monotonic()
        for kind, limit in self.a_minute.items():
            most = limit * self.burst
            had = self.left.get(kind, most)
            self.left[kind] = min(most, had + (now - self.at) * limit / MINUTE)
        self.at = now

    def admit(self, needs: Mapping[str, float]) -> float:
        """Take `needs` and return 0, or return after how many seconds they would be there."""
        self.fill()
        short = [
            (needs[kind] - left) / self.a_minute[kind] * MINUTE
            for kind, left in self.left.items()
            if left < needs[kind]
        ]
        if short:
            self.turned_away += 1
            return max(short)
        for kind in self.left:
            self.left[kind] -= needs[kind]
        self.admitted.append(time.monotonic())
        return 0.0

    def settle(self, reserved: float, took: float) -> None:
        """Give back what was reserved for an answer and not taken."""
        if "output" in self.left:
            self.left["output"] += reserved - took

    def headers(self) -> dict[str, str]:
        """Return what every answer tells."""
        told: dict[str, str] = {}
        for kind, left in self.left.items():
            missing = self.a_minute[kind] * self.burst - left
            full = datetime.now(UTC) + timedelta(seconds=missing / self.a_minute[kind] * MINUTE)
            told |= {
                f"anthropic-ratelimit-{NAMES[kind]}-limit": str(int(self.a_minute[kind])),
                f"anthropic-ratelimit-{NAMES[kind]}-remaining": str(max(int(left), 0)),
                f"anthropic-ratelimit-{NAMES[kind]}-reset": full.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        return told

    def most_in(self, seconds: float) -> int:
        """Return the most requests that were let in within any `seconds`."""
        most, first = 0, 0
        for last, when in enumerate(self.admitted):
            while self.admitted[first] <= when - seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


def retry_after(wait: float) -> str:
    """Return `wait` as the header puts it: whole seconds."""
    return str(max(math.ceil(wait), 1))
