"""What the review screen shows: the codebook in groups of nine, its keys, and its sentences.

Nothing here leads further than the `Question` and, once its coder has answered, what the page is
told to set beside it: rows of the machine or of others are not in reach.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from codebooks.models import Kind
from coding.models import Answer
from reviews.reviewing import Answers, Asked, Choice, Question
from studies.models import Membership
from studies.problems import Problem
from studies.problems import _ as mark

# Hues that colour-blind people tell apart (Okabe and Ito), dark enough to underline a word with.
HUES = ("#0072B2", "#D55E00", "#009E73", "#B3568A", "#8A6D00", "#3D8FC0", "#5B5B5B", "#7A4FBF")
ARTICLE = re.compile(r"^ال(?=\w{2})")
COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
GROUP = 9  # as many codes as there are digits to answer them; 0 answers the rest
NAMED = 9  # groups that Shift and a digit reach
# The keys by what they do, named for their place on the keyboard and not for what is printed
# on it (the browser's `event.code`), so that they are where the hand expects them in any layout.
ACTIONS: Mapping[str, tuple[str, Promise]] = {
    "yes": ("KeyY", gettext_lazy("yes for the code you are at")),
    "no": ("KeyN", gettext_lazy("no for the code you are at")),
    "unsure": ("KeyU", gettext_lazy("unsure for the code you are at")),
    "submit": ("Enter", gettext_lazy("save and next")),
    "undo": (
        "Backspace",
        gettext_lazy("undo the last change; where there is none, the previous interview"),
    ),
    "next_turn": ("KeyJ", gettext_lazy("next turn")),
    "previous_turn": ("KeyK", gettext_lazy("previous turn")),
    "sentence": (
        "KeyE",
        gettext_lazy("select the next sentence of the turn; with Shift, add it to the selection"),
    ),
    "previous_evidence": ("BracketLeft", gettext_lazy("previous evidence")),
    "next_evidence": ("BracketRight", gettext_lazy("next evidence")),
    "definition": ("KeyD", gettext_lazy("show or hide definitions")),
    "one_by_one": ("KeyV", gettext_lazy("one code at a time, or all")),
    "find": ("Slash", gettext_lazy("find a code or words of the interview")),
    "note": ("KeyM", gettext_lazy("write a note")),
    "skip": ("KeyS", gettext_lazy("skip, with a reason from 1 to 5")),
    "flag": ("KeyF", gettext_lazy("flag for the lead")),
    "translation": ("KeyT", gettext_lazy("show or hide a translation, where there is one")),
}
RECENT = 9  # codes used last that are at hand
OFF = "characters"  # in a person's keys: letters, digits and signs do nothing
PHYSICAL = re.compile(r"[A-Z][A-Za-z0-9]{0,19}", re.ASCII)


@dataclass(frozen=True)
class Quote:
    """Words that somebody points at, and the turn they stand in; None if they are in no turn."""

    words: str
    turn: int | None


@dataclass(frozen=True)
class Beside:
    """What stands under a code once its coder has answered: whose answer, and what it is."""

    said: tuple[tuple[str, str], ...]
    verdict: str = ""
    differs: bool = False
    why: str = ""
    quotes: tuple[Quote, ...] = ()
    left_out: bool = False
    """There is nothing to look at again."""


@dataclass(frozen=True)
class CodeRow:
    """One code on the page: its words, what is answered so far, and the digit that answers it."""

    choice: Choice
    answer: str
    passages: str
    key: int
    initials: str
    color: str
    beside: Beside | None = None

    @property
    def same(self) -> bool:
        return self.beside is not None and self.beside.left_out


@dataclass(frozen=True)
class Group:
    """Up to nine codes under one name; `number` is what Shift and that digit lead to, 0 if none."""

    number: int
    name: str
    codes: tuple[CodeRow, ...]

    @property
    def same(self) -> bool:
        return all(row.same for row in self.codes)


@dataclass(frozen=True)
class Section:
    """One dimension on the page; `none` if it is answered with: none of these, or not expressed."""

    asked: Asked
    groups: tuple[Group, ...]
    none: bool
    left: bool
    value: str

    @property
    def same(self) -> bool:
        return all(group.same for group in self.groups)


@dataclass(frozen=True)
class Key:
    """What a key does, and which one it is for this person; "" if it is turned off."""

    action: str
    label: str
    code: str
    usual: str


def sections(
    asked: Question, beside: Mapping[tuple[str, str], Beside] | None = None
) -> list[Section]:
    """Return the codebook as it stands on the page, with what is answered so far.

    `beside` is what stands under a code, by dimension and code, once its coder has answered.
    """
    said = asked.answered or Answers()
    found: list[Section] = []
    hue = groups = 0
    for dimension in asked.dimensions:
        own = {one.code: one for one in said.said if one.dimension == dimension.key}
        decided = dimension.key in said.decided
        silent = Answer.NO.value if decided and dimension.kind == Kind.MANY else ""
        here: list[Group] = []
        for name, choices in families(dimension.codes):
            rows = []
            for place, choice in enumerate(choices, 1):
                one = own.get(choice.key)
                rows.append(
                    CodeRow(
                        choice=choice,
                        answer=one.answer if one else silent,
                        passages=" ".join(f"{a}-{b}" for a, b in one.passages) if one else "",
                        key=place,
                        initials=initials(choice.label.text),
                        color=colored(choice.color, hue),
                        beside=(beside or {}).get((dimension.key, choice.key)),
                    )
                )
                hue += 1
            groups += 1
            here.append(Group(groups if groups <= NAMED else 0, name, tuple(rows)))
        found.append(
            Section(
                asked=dimension,
                groups=tuple(here),
                none=decided and not own,
                left=dimension.key in said.left,
                value=next((number(one.value) for one in own.values()), ""),
            )
        )
    return found


def recent_places(asked: Question) -> range:
    """Return the numbers of the codes used last; none where all codes are at hand anyway."""
    codes = sum(len(dimension.codes) for dimension in asked.dimensions)
    return range(1, RECENT + 1 if codes > RECENT else 1)


def families(codes: Sequence[Choice]) -> Iterator[tuple[str, list[Choice]]]:
    """Yield the codes by family, in the order of the codebook and never more than nine at once."""
    by_family: dict[str, list[Choice]] = {}
    for code in codes:
        by_family.setdefault(code.family, []).append(code)
    for family, members in by_family.items():
        for start in range(0, len(members), GROUP):
            yield family, members[start : start + GROUP]


def colored(color: str, hue: int) -> str:
    """Return the code's own color if it has one, else the next of our hues."""
    return color if COLOR.fullmatch(color) else HUES[hue % len(HUES)]


def number(value: float | None) -> str:
    """Return a value as a form field takes it, "" for what is no number.

    >>> number(85.0), number(0.1), number(float("nan"))
    ('85', '0.1', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    return repr(int(value) if value.is_integer() else value)


def initials(label: str) -> str:
    """Return one or two letters that stand for a code in the margin.

    >>> initials("Job loss"), initials("Trust"), initials("不可靠"), initials("فقدان العمل")
    ('JL', 'Tr', '不可', 'فع')
    """
    # Without its article: otherwise half of all Arabic names would have the same letters.
    words = [ARTICLE.sub("", word) for word in re.findall(r"\w+", label)]
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    return words[0][:2] if words else "?"


def keys_of(chosen: Mapping[str, Any]) -> list[Key]:
    """Return every key with what it does, as this person has chosen them.

    What came later has no key where they gave its usual one to something else before.
    """
    taken = {code for action, code in chosen.items() if action in ACTIONS}
    return [
        Key(
            action,
            str(label),
            str(chosen.get(action, "" if usual in taken else usual)),
            usual,
        )
        for action, (usual, label) in ACTIONS.items()
    ]


def set_keys(membership: Membership, chosen: Any) -> dict[str, str]:
    """Keep the keys that a person chose: those that differ from the usual ones.

    `chosen` is {action: the key's place, or "" for none}; with {"characters": "off"} letters,
    digits and signs do nothing. A key does one thing.
    """
    if not isinstance(chosen, dict) or not all(isinstance(key, str) for key in chosen.values()):
        raise Problem(mark("These keys can’t be read."))
    kept = {
        action: chosen[action]
        for action, (usual, _label) in ACTIONS.items()
        if chosen.get(action, usual) != usual
    }
    used = [
        code for action, (usual, _label) in ACTIONS.items() if (code := kept.get(action, usual))
    ]
    if any(code and not PHYSICAL.fullmatch(code) for code in used):
        raise Problem(mark("These keys can’t be read."))
    if any(code.startswith(("Digit", "Numpad", "Tab", "Escape")) for code in kept.values()):
        raise Problem(mark("Digits, Tab and Escape have their own use: choose another key."))
    if len(set(used)) < len(used):
        raise Problem(mark("A key can do one thing only: choose another one."))
    if chosen.get(OFF) == "off":
        kept[OFF] = "off"
    membership.keys = kept
    membership.save(update_fields=["keys"])
    return kept


def sentences() -> dict[str, Any]:
    """Return what the scripts of the screen say, by name; placeholders are filled there."""
    return {
        "place": _("%(position)s of %(of)s"),
        "toRight": _("left to right"),
        "toLeft": _("right to left"),
        "stages": {
            "blind": [
                _("Blind"),
                _("Neither the machine’s answer nor another coder’s is on this page."),
            ],
            "training": [
                _("Training"),
                _("After your answer you see the key. It enters no estimate."),
            ],
            "second": [
                _("Second look"),
                _("Your blind answer stays as it is; what you say now is kept beside it."),
            ],
            "feedback": [_("Feedback"), _("How your answer compares with the key.")],
        },
        # what is kept where
        "saved": _("Saved %(time)s"),
        "keptHere": _("Kept on this device"),
        "sending": _("Sending …"),
        "waiting": _("%(count)s waiting"),
        "waitingOffline": _("%(count)s waiting – offline"),
        "waitingFailing": _("%(count)s waiting – the server doesn’t answer, trying again"),
        "waitingSignedOut": _("%(count)s waiting – signed out"),
        "offline": _("Offline"),
        "signIn": _(
            "You are signed out. Nothing is lost: sign in again in another tab, and what "
            "waits here is sent."
        ),
        "openSignIn": _("Sign in"),
        "restored": _("What you had entered here is back; it is not submitted yet."),
        "secondTab": _(
            "This study is open for coding in another tab. Here you can only read, so that the "
            "two don’t write over each other."
        ),
        "workHere": _("Go on in this tab"),
        "refused": _("An answer was not taken."),
        "openIt": _("Open it"),
        "dismiss": _("Let it go"),
        "changedElsewhere": _("An answer was changed in another place."),
        "chooseNow": _("Choose which one holds"),
        "lost": _(
            "This interview has meanwhile been given to somebody else. You can go on: what you "
            "enter is kept."
        ),
        "locked": _("This answer can’t be changed any more. You can read it here."),
        "wasSkipped": _("You skipped this interview. An answer takes the place of that."),
        # going on
        "fetching": _("Getting the next interview …"),
        "allDoneHere": _(
            "That was the last interview for now. Keep this page open until everything is sent."
        ),
        "noMoreHere": _(
            "The next interview can’t be had right now. What you answered is kept here and sent "
            "as soon as it can be."
        ),
        "notNow": _("This interview can’t be opened right now."),
        "tryAgain": _("Try again"),
        "nothingToUndo": _("There is nothing to undo."),
        "undone": _("Undone."),
        # answers and evidence
        "yes": _("yes"),
        "no": _("no"),
        "unsure": _("unsure"),
        "noAnswer": _("no answer"),
        "notExpressed": _("not expressed"),
        "note": _("Note"),
        "comma": _(", "),
        "openCodes": _("“%(dimension)s” has codes without an answer yet: %(codes)s."),
        "openMany": _(
            "Codes of “%(dimension)s” without an answer: %(count)s, among them %(codes)s."
        ),
        "openDimension": _("“%(dimension)s” has no answer yet: choose one, or leave it out."),
        "wrongValue": _("“%(dimension)s” takes a value from %(low)g to %(high)g."),
        "needsEvidence": _(
            "“%(code)s” is answered with yes: select the words that say so, as this study asks for."
        ),
        "sayWhy": _("Say in a few words why you skip this interview."),
        "passages": _("“…” × %(count)s"),
        "remove": _("Remove"),
        "nothing": _("Select words of the participant first."),
        "added": _("Added as evidence."),
        "removed": _("Removed."),
        "noEvidence": _("There is no evidence yet."),
        "nothingEntered": _("nothing entered"),
        "notFound": _("Nothing found."),
        "original": _("Not evidence: select words of the original."),
        "ofTranslation": _("Words of a translation are no evidence: select words of the original."),
        "translated": _("Translation:"),
        "translationHidden": _("The translation is hidden."),
        "noTranslation": _("The translation can’t be had right now."),
        "flagged": _("Flagged for the lead."),
        "unflagged": _("The flag is taken away."),
        # after the answer
        "you": _("You"),
        "machine": _("The machine"),
        "key": _("The key"),
        "keyAgrees": _("As in the key"),
        "keyDiffers": _("Not as in the key"),
        "notInText": _("These words are not in the interview."),
        "agrees": _("%(machine)s answered as you did. Save to go on."),
        "differs": _(
            "%(machine)s answered otherwise where it says so below. Change your answer or keep "
            "it; the blind one stays as it is."
        ),
        "feedback": _("As in the key: %(agreed)s of %(of)s. Save to go on."),
        # keys
        "pressAKey": _("press a key …"),
        "keysKept": _("Kept."),
        "keysNotKept": _("The keys hold for this page, but could not be kept."),
        "keyTaken": _("A key can do one thing only: choose another one."),
        "keyOfItsOwn": _("Digits, Tab and Escape have their own use: choose another key."),
    }
