"""Who speaks where in a transcript; plain Python.

A turn is [start, end, speaker, role]: a half-open range of code points of the words spoken, the
label left out; the label as it is written; "interviewer" or "participant". Turns that come back
from the database are lists of these four, and every function here takes those too.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from rapidfuzz.distance import OSA

INTERVIEWER = "interviewer"
PARTICIPANT = "participant"


class Turn(NamedTuple):
    """A range of one speaker's words."""

    start: int
    end: int
    speaker: str
    role: str


Turns = Iterable[Sequence[Any]]


@lru_cache(4096)  # the same few labels come thousands of times
def key(label: str) -> str:
    """Return `label` as labels are compared: without case, marks of direction and emphasis.

    >>> key("**INTERVIEWER  1**")
    'interviewer 1'
    """
    plain = unicodedata.normalize("NFC", label)
    plain = re.sub(r"[*_#\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]", " ", plain)
    return " ".join(plain.split()).casefold()


def _words(table: str) -> frozenset[str]:
    return frozenset(key(word.replace("_", " ")) for word in table.split())


def _parts(tables: Mapping[str, object]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for table in tables.values():
        if isinstance(table, dict) and "interviewer" in table:
            for role in (INTERVIEWER, PARTICIPANT):
                for word in _words(table[role]):
                    parts.setdefault(word, role)
    return parts


_SPEAKERS = tomllib.loads((Path(__file__).parent / "speakers.toml").read_text(encoding="utf-8"))
_PARTS = _parts(_SPEAKERS)
_NEUTRALS = _words(_SPEAKERS["neutral"])
_NEVER = _words(_SPEAKERS["never"])
# One or two letters stand for a part only beside their counterpart.
_INITIALS = {
    INTERVIEWER: _words(_SPEAKERS["initials"]["asking"]),
    PARTICIPANT: _words(_SPEAKERS["initials"]["answering"]),
}

_TIME = r"[\[(<]?\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:[.,]\d{1,3})?(?:[ ]?[AaPp][Mm])?[\])>]?"
_GAP = r"[^\S\n]"
_COLON = "[:：﹕︰∶፦]"  # noqa: RUF001  full-width and Ethiopic colons are colons
# A label stands at the start of a line; before it at most a number of the line, a sign of
# emphasis or quotation and a time; after it perhaps a time and then a colon.
_LABEL = re.compile(
    rf"""
    ^{_GAP}*[\u200e\u200f\ufeff]*
    (?:[>\-•–—#]+{_GAP}+)?
    (?:\[?\d{{1,4}}\]?[.)]?{_GAP}+(?=\D))?
    (?P<bold>\*\*|__|\*)?
    (?:{_TIME}(?:{_GAP}*[-–—>]+{_GAP}*{_TIME})?{_GAP}*[-–—|]?{_GAP}*)?
    (?P<bold2>\*\*|__|\*)?
    [\[<【〔［]?
    (?P<label>[^\W\d_][^\n:：﹕︰∶፦!?¿¡;…“”"«»*\[\]<>【】〔〕［］|=]{{0,39}}?(?:[:*](?:in|innen|r)(?=[:：\s(]))?)
    (?=[\]>】〕］\[(<*_\s:：﹕︰∶፦–—.-]|$)  # else not the end of a label: a quick no
    [\]>】〕］]?
    (?:{_GAP}*[\[(<]{_TIME}[\])>]|{_GAP}+{_TIME})?
    (?P<close>\*\*|__|\*)?
    {_GAP}*
    (?:
        (?P<colon>{_COLON})(?P<close2>\*\*|__|\*)?
      | (?P<framed>(?<=[】〕］]))
      | (?P<alone>(?={_GAP}*$))
      | (?P<dash>[-–—])(?=[^\S\n])
      | (?P<dot>\.)(?=[^\S\n])
    )
    """,  # noqa: RUF001
    re.VERBOSE | re.MULTILINE,
)
_STAMP = re.compile(_TIME)
_SENTENCE_END = re.compile("[.!?…。？！؟।።]$")  # noqa: RUF001
_SUFFIX = re.compile(r"[\s#.\-]*(?:no?\.?\s*)?(?:\d{1,3}|(?<![a-z])[a-z])$")
_ENDING = re.compile(r"\s*[(/*:·.\-](?:\w|\u0640){1,5}\)?$")
_QUESTION = re.compile("[?？؟;፧⁇]\\s*$|[?？؟፧]", re.MULTILINE)  # noqa: RUF001


class _Candidate(NamedTuple):
    line: int  # where its line starts
    words: int  # where the words start
    label: str
    key: str
    sure: bool  # a colon with a space, a time: the form of a label, not of a word and a sign


def split(text: str) -> list[Turn]:
    """Return the turns of `text` in order; a text without labels is one participant's turn."""
    candidates = _candidates(text)
    accepted = _accepted(candidates, text)
    if not accepted:
        start, end = _trimmed(text, 0, len(text))
        return [Turn(start, end, "", PARTICIPANT)] if end > start else []

    turns: list[Turn] = []
    _add(turns, text, 0, accepted[0].line, "")
    for here, following in zip(accepted, [*accepted[1:], None], strict=True):
        end = following.line if following else len(text)
        _add(turns, text, here.words, end, here.label)
    return guess_roles(text, turns)


def guess_roles(text: str, turns: Turns) -> list[Turn]:
    """Return `turns` with a role each: by known words, else whoever asks is the interviewer."""
    said = [Turn(*turn) for turn in turns]
    spoken = list(dict.fromkeys(turn.speaker for turn in said if turn.speaker))
    if not spoken:
        return [turn._replace(role=PARTICIPANT) for turn in said]
    roles = _roles(spoken, text, said)
    # Words before the first label are a heading: nobody's answer.
    found = [Turn(*turn[:3], roles.get(turn.speaker, INTERVIEWER)) for turn in said]
    if all(turn.role == INTERVIEWER for turn in found):
        return _answers_without_label(text, found)
    return found


def with_roles(turns: Turns, overrides: Mapping[str, str]) -> list[Turn]:
    """Return `turns` with the roles that a person gave to labels; other turns as they are.

    >>> with_roles([[0, 2, "Dan", "participant"]], {"dan": "interviewer"})
    [Turn(start=0, end=2, speaker='Dan', role='interviewer')]
    """
    given = {key(label): role for label, role in overrides.items() if label}
    said = [Turn(*turn) for turn in turns]
    if not given:
        return said
    return [
        turn._replace(role=given.get(key(turn.speaker), turn.role)) if turn.speaker else turn
        for turn in said
    ]


def answers(turns: Turns) -> list[tuple[int, int]]:
    """Return the ranges of the answers: the participant's words between two of the interviewer's.

    >>> answers([[0, 2, "Q", "interviewer"], [3, 5, "", "participant"], [6, 9, "", "participant"]])
    [(3, 9)]
    """
    found: list[tuple[int, int]] = []
    open_answer = False
    for start, end, _speaker, role in turns:
        if role != PARTICIPANT:
            open_answer = False
        elif open_answer:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
            open_answer = True
    return found


def words_of(text: str, turns: Turns, role: str = PARTICIPANT, most: int = 0) -> str:
    """Return the words of `role`, a line a turn; about the first `most` characters if given."""
    kept: list[str] = []
    length = 0
    for start, end, _speaker, whose in turns:
        if whose == role:
            kept.append(text[start:end])
            length += end - start
            if most and length >= most:
                break
    return "\n".join(kept)


@lru_cache(4096)
def role_of_label(label: str) -> str:
    """Return the role that `label` names in some language; "" if it names none.

    >>> role_of_label("Entrevistadora 2"), role_of_label("Teilnehmer:in"), role_of_label("Dan")
    ('interviewer', 'participant', '')
    """
    plain = key(label)
    for form in (plain, _SUFFIX.sub("", plain), _ENDING.sub("", _SUFFIX.sub("", plain))):
        if role := _PARTS.get(form):
            return role
    # "Interviewer Ana", "Dan (participant)", but not "Participant observation".
    words = [word for word in re.split(r"[\s()/,\-–—]+", label) if word]
    roles = {_PARTS[word] for word in map(key, words) if len(word) > 4 and word in _PARTS}
    names = (word for word in words if key(word) not in _PARTS)
    if len(words) <= 4 and len(roles) == 1 and not any(name[0].islower() for name in names):
        return roles.pop()
    return ""


def _candidates(text: str) -> list[_Candidate]:
    found = []
    for match in _LABEL.finditer(text):
        label = match["label"].strip(" \t\u00a0\u202f\u200e\u200f.-–—")
        plain = key(label)
        if not plain or len(plain.split()) > 5:
            continue
        known = bool(role_of_label(label)) or _is_neutral(plain)
        after = text[match.end() : match.end() + 2]
        if match["colon"]:
            # "Q:What" is a label and so is any with a wide colon; "http://" is not.
            wide = match["colon"] != ":"
            spaced = not after[:1].strip()
            if after.startswith("//") or not (spaced or wide or known):
                continue
            sure = True
        elif match["framed"] is not None:
            if not known:
                continue
            sure = True
        elif match["dot"]:
            # "Q. What?" and "A1. That." are how courts and archives write; others are sentences.
            if (_SUFFIX.sub("", plain) or plain) not in {"q", "a"}:
                continue
            sure = True
        elif match["alone"] is not None:
            # A line that holds nothing but a name says who speaks if it is a known word or timed.
            line = match[0]
            sure = bool(_STAMP.search(line))
            if not sure and (not known or len(plain) < 2):
                continue
            if not text[match.end() :].strip():
                continue
        else:
            if not known or len(plain) < 3:
                continue
            sure = False
        found.append(_Candidate(match.start(), match.end(), label, plain, sure))
    return found


@lru_cache(4096)
def _is_neutral(plain: str) -> bool:
    return plain in _NEUTRALS or _SUFFIX.sub("", plain) in _NEUTRALS


def _accepted(candidates: list[_Candidate], text: str) -> list[_Candidate]:
    """Return the candidates that are labels: known words, names that recur, slips of either."""
    by_key: dict[str, list[_Candidate]] = {}
    for candidate in candidates:
        by_key.setdefault(candidate.key, []).append(candidate)
    counts = {plain: len(group) for plain, group in by_key.items()}
    kept = _known(by_key, text)  # key -> label it is shown under
    if _is_heading(kept, by_key, candidates, text):
        kept = {}
    roles = {role_of_label(label) for label in kept.values()} - {""}
    names = {}
    for plain, group in by_key.items():
        label = group[0].label
        if plain in kept:
            continue
        # "A:" once is an answer where "Q:" asks; a name must recur, a small one often.
        counterpart = roles and any(
            _SUFFIX.sub("", plain) in letters or plain in letters
            for role, letters in _INITIALS.items()
            if role not in roles
        )
        least = 4 if label[:1].islower() else 2
        # "Dan: Why?" once, at the very start, is a question where a participant answers it.
        if len(roles) == 1 and _opens(group[0], text):
            least = 1
        if (counterpart and group[0].sure and label[:1].isupper()) or (
            counts[plain] >= least and _name_like(label)
        ):
            names[plain] = label
    if {INTERVIEWER, PARTICIPANT} <= roles:
        # Both parts are named already: a third speaker must recur like one.
        often = max(3, sum(counts[plain] for plain in kept) // 8)
        names = {plain: label for plain, label in names.items() if counts[plain] >= often}
    elif not kept:
        # Names alone make a conversation: several, in turn, from near the start of the text.
        first = min((by_key[plain][0].line for plain in names), default=0)
        if len(names) < 2 or first > max(500, len(text) // 3) or not _alternate(candidates, names):
            names = {}
    kept |= names
    accepted = []
    for candidate in candidates:
        if label := kept.get(candidate.key) or _misspelt(candidate, kept, counts):
            same = candidate.label == label
            accepted.append(candidate if same else candidate._replace(label=label))
    return accepted


def _known(by_key: Mapping[str, list[_Candidate]], text: str) -> dict[str, str]:
    """Return the labels that are known words; one that stands alone in a text opens it."""
    known = {
        plain: group[0].label
        for plain, group in by_key.items()
        if role_of_label(group[0].label) or _is_neutral(plain)
    }
    opened = any(_opens(group[0], text) and _name_like(group[0].label) for group in by_key.values())
    kept = {}
    for plain, label in known.items():
        group = by_key[plain]
        once = len(known) > 1 or opened or _opens(group[0], text)
        # A small "user:" once at the start of a line is a wrapped sentence.
        if len(group) > 1 or (once and group[0].sure and not label[:1].islower()):
            kept[plain] = label
    return kept


def _is_heading(
    kept: Mapping[str, str],
    by_key: Mapping[str, list[_Candidate]],
    candidates: list[_Candidate],
    text: str,
) -> bool:
    """Return whether `kept` only says who took part: "Interviewer: KM", and then KM: and P05:."""
    if not kept or any(len(by_key[plain]) > 1 for plain in kept):
        return False
    for plain in kept:
        words = text[by_key[plain][0].words :].partition("\n")[0].strip()
        if len(words) > 80 or _SENTENCE_END.search(words):
            return False
    last = max(by_key[plain][0].line for plain in kept)
    names = {
        plain: group[0].label
        for plain, group in by_key.items()
        if len(group) > 1 and group[0].line > last and _name_like(group[0].label)
    }
    return len(names) > 1 and _alternate(candidates, names)


def _opens(candidate: _Candidate, text: str) -> bool:
    return candidate.sure and not text[: candidate.line].strip()


def _alternate(candidates: list[_Candidate], names: Mapping[str, str]) -> bool:
    order = [candidate.key for candidate in candidates if candidate.key in names]
    changes = sum(a != b for a, b in pairwise(order))
    return changes >= max(2, len(order) // 4)


def _name_like(label: str) -> bool:
    """Return whether `label` looks like a person's name or initials: no word of a sentence.

    >>> [_name_like(label) for label in ("Dan", "Dr. Ana M", "My boss said", "Note", "山田")]
    [True, True, False, False, True]
    """
    words = label.split()
    if len(words) > 4 or key(label) in _NEVER or key(words[0]).strip(".") in _NEVER:
        return False
    if "," in label or ("'" in label[1:-1] and len(words) > 2):
        return False
    cased = [word for word in words if word[:1].upper() != word[:1].lower()]
    if not cased:
        return len(label) <= 12 or len(words) <= 3
    if len(words) == 1:
        return True
    small = {
        "de",
        "da",
        "do",
        "dos",
        "del",
        "la",
        "van",
        "von",
        "der",
        "den",
        "bin",
        "al",
        "el",
        "y",
        "e",
    }
    return all(word[:1].isupper() or word in small for word in cased)


def _misspelt(candidate: _Candidate, kept: Mapping[str, str], counts: Mapping[str, int]) -> str:
    """Return the label that `candidate` is a slip of the pen for; "" if it is none."""
    if len(candidate.key) < 6 or not candidate.sure or candidate.key in _NEVER:
        return ""
    for plain, label in kept.items():
        if len(plain) >= 6 and counts[plain] >= 3 and not plain[-1:].isdigit():
            allowed = 1 if len(plain) < 9 else 2
            if OSA.distance(candidate.key, plain, score_cutoff=allowed) <= allowed:
                return label
    return ""


def _add(turns: list[Turn], text: str, start: int, end: int, label: str) -> None:
    start, end = _trimmed(text, start, end)
    if end > start:
        turns.append(Turn(start, end, label, ""))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    words = text[start:end]
    start = end - len(words.lstrip(_BLANK))
    return start, start + len(words.strip(_BLANK))


def _roles(labels: Sequence[str], text: str, turns: Sequence[Turn]) -> dict[str, str]:
    roles = {label: role for label in labels if (role := role_of_label(label))}
    plain = {label: _SUFFIX.sub("", key(label)) or key(label) for label in labels}
    if plain and set(plain.values()) <= {"a", "b", "c"}:
        roles = {}  # speakers A and B, not question and answer
    unknown = [label for label in labels if label not in roles]
    if not unknown:
        return roles
    initials = {
        label: role
        for label in unknown
        for role, letters in _INITIALS.items()
        if plain[label] in letters
    }
    if {INTERVIEWER, PARTICIPANT} <= {*initials.values(), *roles.values()}:
        roles |= initials
        unknown = [label for label in labels if label not in roles]
    known = set(roles.values())
    if INTERVIEWER in known:
        return roles | dict.fromkeys(unknown, PARTICIPANT)
    if unknown:
        asking = _who_asks(unknown, text, turns)
        roles |= {label: INTERVIEWER if label == asking else PARTICIPANT for label in unknown}
    return roles


def _who_asks(labels: Sequence[str], text: str, turns: Sequence[Turn]) -> str:
    """Return the label whose turns ask most, are short and come first."""
    scores: dict[str, float] = {}
    lengths: dict[str, float] = {}
    for label in labels:
        ranges = [(turn.start, turn.end) for turn in turns if turn.speaker == label]
        asked = sum(bool(_QUESTION.search(text, start, end)) for start, end in ranges)
        scores[label] = 2 * asked / max(len(ranges), 1)
        lengths[label] = sum(end - start for start, end in ranges) / max(len(ranges), 1)
    scores[labels[0]] += 0.5
    scores[min(labels, key=lambda label: lengths[label])] += 0.5
    return max(labels, key=lambda label: scores[label])


def _answers_without_label(text: str, turns: Sequence[Turn]) -> list[Turn]:
    """Return `turns` with what follows each question as the participant's, where nobody else is."""
    found: list[Turn] = []
    for turn in turns:
        gap = _BLANK_LINE.search(text, turn.start, turn.end) or _LINE_END.search(
            text, turn.start, turn.end
        )
        if not gap or not turn.speaker:
            found.append(turn)
            continue
        found.append(Turn(*_trimmed(text, turn.start, gap.start()), turn.speaker, INTERVIEWER))
        found.append(Turn(*_trimmed(text, gap.end(), turn.end), "", PARTICIPANT))
    return found


# White space of every script, and marks of direction.
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + "\u200e\u200f\ufeff"
_BLANK_LINE = re.compile(r"\n\s*\n")
_LINE_END = re.compile(r"\n")
