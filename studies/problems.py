"""A problem is one sentence for a person: what, where, and what to do.

Plain Python raises it without knowing the reader's language; the door that shows it translates.
"""

import re
from collections.abc import Callable
from typing import Any, Self

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # what no database and no page can hold


def _(text: str) -> str:
    """Mark `text` for the message catalogue and return it as it is."""
    return text


class Problem(Exception):
    """Something a person did or gave that can't be taken; `text` is a message with named gaps.

    >>> str(Problem(_("%(file)s has no column “%(column)s”."), file="a.csv", column="text"))
    'a.csv has no column “text”.'
    """

    def __init__(self, text: str, **values: object) -> None:
        super().__init__(text, values)
        self.text = text
        self.values = values

    def sentence(self, gettext: Callable[[str], str] = str) -> str:
        """Return the sentence in the language that `gettext` translates to."""
        values = {
            name: value.sentence(gettext) if isinstance(value, Problem) else value
            for name, value in self.values.items()
        }
        return gettext(self.text) % values if values else gettext(self.text)

    def as_json(self) -> dict[str, Any]:
        """Return this as JSON that can be kept, from which `of` makes it again."""
        values = {
            name: value.as_json()
            if isinstance(value, Problem)
            else value
            if isinstance(value, int)
            else UNSTORABLE.sub("\ufffd", str(value))
            for name, value in self.values.items()
        }
        return {"text": self.text, "values": values}

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """Return the problem that `as_json` wrote down.

        >>> str(Problem.of(Problem(_("There is no “%(id)s”."), id="a\\ud800").as_json()))
        'There is no “a\ufffd”.'
        """
        values = {
            name: cls.of(value) if isinstance(value, dict) else value
            for name, value in kept["values"].items()
        }
        return cls(kept["text"], **values)

    def __str__(self) -> str:
        return self.sentence()
