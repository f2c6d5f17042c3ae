"""The translator: one request a piece of an interview, to anything that speaks the Messages API.

What comes back is looked at here: every turn exactly once, with words where there were words.
"""

from collections.abc import Sequence
from functools import partial
from typing import Unpack

from coding.coders import Failed, Outcome, Passage, Reply, Translated
from coding.coders.claude import MODEL, TURN_MARK
from coding.coders.messages import Asker, Unusable, Where, as_json
from coding.translation_prompts import INSTRUCTIONS, SCHEMA, asked, message, room_for, wrong_with
from studies.cleaning import cleaned
from studies.problems import _

NOT_FITTING = _("The translation does not fit the turns.")


class ClaudeTranslator(Asker):
    """Translates one passage a request `into` a language with `model`. Safe in many threads."""

    name = "translator"

    def __init__(
        self,
        into: str,
        model: str = MODEL,
        **where: Unpack[Where],
    ) -> None:
        """Open a client, or use one; without a key anywhere this is a Problem."""
        super().__init__(INSTRUCTIONS, SCHEMA, model, **where)
        self.into = into

    def code(self, passages: Sequence[Passage], after: Failed | None = None) -> list[Reply]:
        """Translate each of `passages` with one request."""
        return [self.ask(passage, after) for passage in passages]

    def message(self, passage: Passage) -> str:
        """Return what the model is told about `passage` when it is first asked."""
        return message(passage, self.into)

    def ask(self, passage: Passage, after: Failed | None = None) -> Reply:
        """Send one request about `passage` and return how it ended."""
        said = self.worded(self.message(passage), after)
        return self.send(said, room_for(passage, after), partial(translated, passage))

    def read(self, body: bytes, passage: Passage) -> Reply:
        """Return what an earlier answer about `passage` says."""
        return self.heard(body, "", partial(translated, passage))

    def shared(self) -> int:
        """Return how many tokens every request has besides its message, by the service."""
        more = {key: self.parameters[key] for key in ("output_config",) if key in self.parameters}
        return self.counted("x", system=self.system, **more) - self.counted("x")

    def size(self, passage: Passage) -> int:
        """Return how many bytes of input a request about `passage` has at most."""
        wanted = asked(passage)
        words = sum(len(said.encode("utf-8", "replace")) for said in wanted.values())
        return self.overhead + words + TURN_MARK * (len(wanted) + 10)


def translated(passage: Passage, text: str) -> Outcome:
    """Return the translation that an answer of `text` holds; one that is wrong is Unusable."""
    found = as_json(text)
    rows = found.get("turns") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise Unusable(_("The answer has no list of turns."), shapeless=True)
    given: list[tuple[int, str]] = []
    for row in rows:
        number = row.get("turn") if isinstance(row, dict) else None
        said = row.get("text") if isinstance(row, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(said, str):
            raise Unusable(_("A turn of the answer has no number or no text."), shapeless=True)
        given.append((number, cleaned(said)[0]))
    if wrong := wrong_with(asked(passage), given):
        raise Unusable(f"{NOT_FITTING} ({wrong})")
    return Translated(words=dict(given))
