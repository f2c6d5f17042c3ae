"""What takes long to compute is computed once for the same rows, and kept for others who ask."""

from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache

from reviews.reports import KEPT_FOR

Made = TypeVar("Made")


def kept(key: str, kind: type[Made], make: Callable[[], Made]) -> Made:
    """Return what is kept under `key`, or what `make` makes of it; both are of this `kind`."""
    known = cache.get(key)
    if isinstance(known, kind):
        return known
    made = make()
    cache.set(key, made, KEPT_FOR)
    return made
