"""Texts under labels within one text: people read them, and programs find them again.

    DEFINITION: The participant worries that answers are wrong.
    EXAMPLE (de): Das stimmt nie.

A label begins a line; what follows belongs to it up to the next label, over as many lines as it
has. What stands before the first label is under none.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LANGUAGE = r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*"
NUMBER = r"\d+"


class Part(NamedTuple):
    """One text with its label, and what is in brackets behind the label."""

    label: str
    about: str
    text: str


class Form:
    """The labels that a text may have: `labels` in capitals alone, `words` in any letters.

    `about` is the pattern of what may stand in brackets behind them.
    """

    def __init__(
        self, labels: Sequence[str], words: Sequence[str] = (), about: str = LANGUAGE
    ) -> None:
        any_case = f"|(?i:{'|'.join(words)})" if words else ""
        label = rf"(?P<label>{'|'.join(labels)}{any_case})(?: \((?P<about>{about})\))?:[ \t]*"
        self._line = re.compile(label)
        self._masked = re.compile(rf"(?:> )*{label}")

    def read(self, text: str) -> list[Part]:
        """Return the parts of `text` in their order; the first has no label if none is there.

        >>> [part.text for part in Form(["USE"]).read("At first.\\nUSE (de): so\\n> USE: a line")]
        ['At first.', 'so\\nUSE: a line']
        """
        parts: list[tuple[str, str, list[str]]] = [("", "", [])]
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            if begins := self._line.match(line):
                about = begins["about"] or ""
                parts.append((begins["label"].upper(), about, [line[begins.end() :]]))
            elif line.startswith("> ") and self._masked.match(line):
                parts[-1][2].append(line[2:])
            else:
                parts[-1][2].append(line)
        whole = (Part(label, about, "\n".join(lines).strip()) for label, about, lines in parts)
        return [part for part in whole if part.text]

    def written(self, parts: Iterable[Part]) -> str:
        """Return `parts` as one text, from which they are read again; empty ones are left out.

        >>> Form(["USE"]).written([Part("USE", "", "one\\nUSE: two")])
        'USE: one\\n> USE: two'
        """
        return "\n".join(
            f"{part.label}{f' ({part.about})' if part.about else ''}: {self._masking(part.text)}"
            for part in parts
            if part.text
        )

    def _masking(self, text: str) -> str:
        first, *others = text.split("\n")
        return "\n".join(
            [first, *(f"> {line}" if self._masked.match(line) else line for line in others)]
        )
