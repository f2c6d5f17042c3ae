"""A text as it is kept: LF line ends, no byte order mark, nothing that can't be stored.

Plain Python. Positions in a file are led to the text that is kept of it by `studies/offsets.py`.
"""

import re
from dataclasses import dataclass

from .problems import Problem, _

_UNKEPT = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")
_BREAKS = str.maketrans({"\x0b": "\n", "\x0c": "\n"})


@dataclass(frozen=True, slots=True)
class Cut:
    """What could not be kept of a text: control characters, and halves of characters."""

    controls: int = 0
    halves: int = 0

    def __add__(self, other: "Cut") -> "Cut":
        return Cut(self.controls + other.controls, self.halves + other.halves)


def cleaned(text: str) -> tuple[str, Cut]:
    """Return `text` with LF line ends and nothing that can't be stored, and what that cost.

    >>> cleaned("\ufeffone\\r\\ntwo\\x0bthree\\x00")
    ('one\\ntwo\\nthree', Cut(controls=2, halves=0))
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.removeprefix("\ufeff")
    unkept = _UNKEPT.findall(text)
    if not unkept:
        return text, Cut()
    halves = sum(character >= "\ud800" for character in unkept)
    return _UNKEPT.sub("", text.translate(_BREAKS)), Cut(len(unkept) - halves, halves)


def damaged(halves: int) -> Problem:
    """Return what to say of a text with so many halves of characters."""
    return Problem(
        _(
            "It holds damaged characters (%(count)s): save the file as UTF-8 from where it "
            "was made."
        ),
        count=halves,
    )
