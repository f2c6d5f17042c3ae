"""What a service allows in a minute, shared by all workers: a token bucket in the database.

The limits are what the service's headers tell. A bucket lets a twelfth of a minute's worth go at
once and fills up so slowly that no minute ever holds more than the limit, whoever the workers are.
What a process takes it takes for a second at most; tokens are set aside by a bound and corrected
when the answer says what it took. Where a service tells no limits nothing of this costs anything.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from coding.coders import Allowed, Usage
from coding.models import Allowance

KINDS = ("requests", "input", "output")
BURST = 1 / 12  # of a minute's worth may go at once
HOLD = 1.0  # seconds for which a process may keep what it took
MINUTE = 60.0
LOOK = 2.0  # seconds between two looks whether others have learned of limits
# What a request needs: one request, so many tokens in and at most so many out.
Need = Mapping[str, float]


def need(input_tokens: float, output_tokens: float) -> Need:
    """Return what one request needs."""
    return {"requests": 1.0, "input": input_tokens, "output": output_tokens}


class Limiter:
    """One process's share of what `service` allows `account` for `model`. Used by one thread.

    `account` tells one key from another; keys of one organization share its limits, of which
    each then hears from the headers that less is left.
    """

    def __init__(self, service: str, model: str, account: str = "") -> None:
        self.where = {"service": service[:200], "account": account, "model": model}
        self.limits: dict[str, int | None] = {}
        self.looked = float("-inf")
        self.held: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        self.held_since = 0.0
        self.back: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        self.least: dict[str, int] = {}  # what the service said was left, since it was last told
        self.share = 1.0  # tokens for a byte of a request
        self.learned = False
        self.wait = 0.0  # seconds after which to try again

    def active(self) -> bool:
        """Return whether the service has told any limits, to this process or to another."""
        if not self.limits and time.monotonic() - self.looked > LOOK:
            self.looked = time.monotonic()
            if row := Allowance.objects.filter(**self.where).first():
                self.limits = {kind: getattr(row, kind) for kind in KINDS}
        return any(self.limits.values())

    def need(self, size: int, room: int) -> Need:
        """Return what a request of `size` bytes with `room` for its answer needs."""
        return need(size * self.share, room)

    def take(self, needs: Sequence[Need]) -> int:
        """Return how many of `needs`, from the first, may be sent now; `wait` says when more."""
        if not needs or not self.active():
            return len(needs)
        if time.monotonic() - self.held_since > HOLD:
            self.let_go()
        if all(sum(one[kind] for one in needs) <= self.held[kind] for kind in KINDS):
            for kind in KINDS:
                self.held[kind] -= sum(one[kind] for one in needs)
            return len(needs)
        self.let_go()
        return self.draw(needs)

    def let_go(self) -> None:
        """Give back what is held, with the next look into the database."""
        for kind in KINDS:
            self.back[kind] += self.held[kind]
            self.held[kind] = 0.0

    def draw(self, needs: Sequence[Need]) -> int:
        """Take from the bucket for as many of `needs` as it has, and a little ahead if it can."""
        with transaction.atomic():
            row = Allowance.objects.select_for_update().get(**self.where)
            bucket = self.filled(row, needs)
            closed = row.closed_until and (row.closed_until - row.at).total_seconds()
            if closed and closed > 0:
                self.wait, count = closed, 0
            else:
                count = sum(1 for one in needs if bucket.spend(one))
                self.wait = 0.0 if count == len(needs) else bucket.wait(needs[count])
                if count == len(needs):
                    mean = {k: sum(one[k] for one in needs) / len(needs) for k in KINDS}
                    for _more in range(min(2 * count, bucket.ahead())):
                        if not bucket.holds(mean):
                            break
                        bucket.spend(mean)
                        for kind in KINDS:
                            self.held[kind] += mean[kind]
                    self.held_since = time.monotonic()
            self.keep(row, bucket)
        return count

    def filled(self, row: Allowance, needs: Sequence[Need] = ()) -> "Bucket":
        """Return the bucket of `row` as it is now, with all that this process gives back."""
        now = timezone.now()
        # Clocks of machines differ: a bucket is never filled for the same second twice.
        passed = max((now - row.at).total_seconds(), 0.0)
        row.at = max(now, row.at)
        self.limits = {kind: getattr(row, kind) for kind in KINDS}
        largest = {kind: max((one[kind] for one in needs), default=0.0) for kind in KINDS}
        bucket = Bucket(self.limits, largest)
        for kind in bucket.left:
            had = getattr(row, f"{kind}_left") + self.back[kind] + passed * bucket.rate[kind]
            bucket.left[kind] = min(had, bucket.burst[kind], self.least.get(kind, had))
        self.back = dict.fromkeys(KINDS, 0.0)
        self.least = {}
        return bucket

    def keep(self, row: Allowance, bucket: "Bucket") -> None:
        """Write `bucket` into `row`."""
        for kind, left in bucket.left.items():
            setattr(row, f"{kind}_left", left)
        row.save()

    def settle(self, aside: Need, size: int, usage: Usage | None) -> None:
        """Correct what was set `aside` for a request by what its answer took."""
        if usage is None:
            self.back["output"] += aside["output"]
            return
        took = usage.input + usage.cache_write
        if size:
            seen = took / size
            self.share = max(seen * 1.05, self.share * 0.98) if self.learned else seen * 1.1
            self.share, self.learned = min(self.share, 1.0), True
        self.back["input"] += aside["input"] - took
        self.back["output"] += aside["output"] - usage.output

    def unsent(self, aside: Need) -> None:
        """Take back what was set `aside` for a request that was not sent."""
        for kind in KINDS:
            self.back[kind] += aside.get(kind, 0.0)

    def hear(self, allowed: Allowed | None, wait: float = 0.0) -> None:
        """Learn what the service said about its limits; `wait` is how long it asks for rest."""
        if allowed is not None:
            for kind, left in allowed.left.items():
                self.least[kind] = min(left, self.least.get(kind, left))
            told = {**self.limits, **allowed.limits}
            if told != self.limits:
                self.learn(allowed, 0.0)
        if wait and self.active():
            self.learn(Allowed({}, {}), wait)

    def learn(self, allowed: Allowed, wait: float) -> None:
        """Tell all other processes."""
        now = timezone.now()
        with transaction.atomic():
            # What is left at the beginning is what the service says, and not more than a burst.
            Allowance.objects.get_or_create(
                **self.where,
                defaults={
                    "at": now,
                    **allowed.limits,
                    **{f"{kind}_left": left for kind, left in allowed.left.items()},
                },
            )
            row = Allowance.objects.select_for_update().get(**self.where)
            for kind, limit in allowed.limits.items():
                setattr(row, kind, limit)
            if wait:
                until = now + timedelta(seconds=wait)
                row.closed_until = max(until, row.closed_until or until)
            self.keep(row, self.filled(row))

    def close(self) -> None:
        """Give back all that is not needed any more."""
        self.let_go()
        if any(self.back.values()) and self.active():
            self.learn(Allowed({}, {}), 0.0)


class Bucket:
    """What is left of each kind that has a limit, how much at most, and what comes a second."""

    def __init__(self, limits: Mapping[str, int | None], largest: Mapping[str, float]) -> None:
        known = {kind: limit for kind, limit in limits.items() if limit}
        # A single request may need more than a burst has; then that is what may go at once.
        self.burst: dict[str, float] = {
            kind: max(limit * BURST, min(limit, largest[kind])) for kind, limit in known.items()
        }
        self.rate: dict[str, float] = {
            kind: max(limit - self.burst[kind], limit / 10) / (MINUTE + HOLD)
            for kind, limit in known.items()
        }
        self.left: dict[str, float] = dict.fromkeys(known, 0.0)

    def holds(self, need: Need) -> bool:
        """Return whether there is enough for `need`, or all that there can ever be."""
        return all(
            left >= min(need[kind], self.burst[kind] - 1e-9) for kind, left in self.left.items()
        )

    def spend(self, need: Need) -> bool:
        """Take `need` if it is there; return whether it was."""
        if not self.holds(need):
            return False
        for kind in self.left:
            self.left[kind] -= need[kind]
        return True

    def wait(self, need: Need) -> float:
        """Return in how many seconds there will be enough for `need`."""
        return max(
            (min(need[kind], self.burst[kind]) - left) / self.rate[kind]
            for kind, left in self.left.items()
        )

    def ahead(self) -> int:
        """Return how many requests may be taken ahead: half a second's worth."""
        return int(self.rate.get("requests", 0.0) * HOLD / 2)
