"""Seeds: the whole numbers that let whatever chance decided be decided so again."""

import secrets

from .problems import Problem, _

LARGEST = 2**63 - 1
"""The largest that a database holds."""


def check_seed(seed: int | None) -> None:
    """Refuse what is no seed; None is for one that will be made up."""
    if seed is not None and not 0 <= seed <= LARGEST:
        raise Problem(_("A seed is a whole number from 0 to %(most)d."), most=LARGEST)


def seed_or_new(seed: int | None) -> int:
    """Return `seed`, or one made up if there is none."""
    return secrets.randbelow(2**31) if seed is None else seed
