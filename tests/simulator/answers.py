"""What the simulated model answers: any flat schema, filled from a truth that was planted.

Nothing but the prompt is read. Truth stands in the text as `[[sim: worries=a|b; trust=70]]`, or in
a table of key words given at the start: {"worries/a": ["lose my job"]}. A code that is true is
quoted from the participant's turn that holds the marker or the word.

A model errs: of what is true it finds a share, its sensitivity, and of what is not it leaves a
share alone, its specificity, each by the language that a marker names (`language=sw`). Which they
are depends on the seed, the model and the words of the participant alone.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from tests.simulator import translations

TURN = re.compile(r"^\[T(\d+)[^\]\n]* (interviewer|participant)\] ", re.MULTILINE)
END = re.compile(r"\s*</?interview-\w+>.*", re.DOTALL)
MARKER = re.compile(r"\[\[sim:\s*(.*?)\s*\]\]", re.DOTALL)
NONE = re.compile(r"none_applies_*$")
# How a quotation differs from what was said.
REPHRASED: dict[str, Callable[[str], str]] = {
    "typography": lambda said: said.replace("'", "’").replace(" ", "  ", 1),
    "decomposed": lambda said: normalize("NFD", said),
    "shouted": str.upper,
    "joined": lambda said: " ... ".join(halves(said)),
    "paraphrased": lambda said: " ".join(reversed(said.split())),
    "no_words": lambda _said: "",
    "endless": lambda said: said * 60,
    "halves": lambda said: f"{said} \ud83d",
}


def halves(said: str) -> tuple[str, str]:
    """Return `said` in two, without the word between."""
    words = said.split()
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle + 1 :])


@dataclass(frozen=True)
class Said:
    """One turn of the prompt."""

    number: int
    role: str
    text: str


def turns(message: str) -> list[Said]:
    """Return the turns that `message` shows; of a marked answer only those."""
    inside = re.search(r"^<answer-\w+>\n(.*?)\n</answer-", message, re.DOTALL | re.MULTILINE)
    shown = inside[1] if inside else message
    found = list(TURN.finditer(shown))
    ends = [match.start() for match in found[1:]] + [len(shown)]
    said = []
    for match, end in zip(found, ends, strict=True):
        text = shown[match.end() : end]
        if "interview-" in text:
            text = END.sub("", text)
        said.append(Said(int(match[1]), match[2], text.strip()))
    return said


@dataclass
class Truth:
    """Which codes hold, where each is said, and where scales stand."""

    codes: dict[str, list[Said]]
    values: dict[str, float]
    language: str = ""


@dataclass(frozen=True)
class Skill:
    """How well a model codes, by language and `*` for all others; one that is not named errs not.

    `draw` is what it errs by: whoever asks with the same one gets the same answer.
    """

    sensitivity: Mapping[str, float]
    specificity: Mapping[str, float]
    draw: str = ""

    def finds(self, code: str, said: Sequence[Said], known: Truth) -> bool:
        """Return whether it applies `code` to what is `said`, of which the truth is known."""
        spoken = "\n".join(turn.text for turn in said if turn.role == "participant")
        drawn = hashlib.sha256(f"{self.draw}|{code}|{spoken}".encode("utf-8", "replace")).digest()
        chance = int.from_bytes(drawn[:8]) / 2**64
        if code in known.codes:
            return chance < share(self.sensitivity, known.language)
        return chance >= share(self.specificity, known.language)


def share(shares: Mapping[str, float], language: str) -> float:
    """Return the share for `language`: 1 where none is given."""
    return shares.get(language, shares.get("*", 1.0))


def truth(said: Sequence[Said], words: Mapping[str, Sequence[str]]) -> Truth:
    """Return what is true of the participant's turns."""
    found = Truth({}, {})
    for turn in said:
        if turn.role != "participant":
            continue
        for marker in MARKER.finditer(turn.text):
            for part in filter(None, map(str.strip, marker[1].split(";"))):
                dimension, _equals, value = part.partition("=")
                if dimension == "language":
                    found.language = value
                    continue
                for code in filter(None, value.split("|")):
                    if re.fullmatch(r"-?\d+(\.\d+)?", code):
                        found.values[dimension] = float(code)
                    found.codes.setdefault(f"{dimension}/{code}", []).append(turn)
        folded = turn.text.casefold()
        for key, needles in words.items():
            if any(needle.casefold() in folded for needle in needles):
                found.codes.setdefault(key, []).append(turn)
    return found


def seen(known: Truth, schema: Mapping[str, Any], said: Sequence[Said], skill: Skill) -> Truth:
    """Return what a model of such `skill` takes for true: codes of `schema`, not values."""
    if not (skill.sensitivity or skill.specificity):
        return known
    spoken = [turn for turn in said if turn.role == "participant"]
    codes = dict(known.codes)
    for key, part in schema.get("properties", {}).items():
        form = part.get("items", part).get("properties", {}).get("code", {})
        for code in (f"{key}/{code}" for code in form.get("enum", []) if not NONE.match(code)):
            if skill.finds(code, said, known):
                codes.setdefault(code, spoken)
            else:
                codes.pop(code, None)
    return Truth(codes, known.values, known.language)


def fill(schema: Mapping[str, Any], said: Sequence[Said], known: Truth, fault: str = "") -> Any:
    """Return an answer in the form of `schema`, spoiled as `fault` says."""
    return {
        key: about(key, part, said, known, fault)
        for key, part in schema.get("properties", {}).items()
    }


def about(key: str, part: Mapping[str, Any], said: Sequence[Said], known: Truth, fault: str) -> Any:
    """Return the answer about one property of the schema."""
    if part.get("type") == "array" and "code" in part["items"].get("properties", {}):
        codes = part["items"]["properties"]["code"]["enum"]
        true = [code for code in codes if f"{key}/{code}" in known.codes]
        if fault == "wrong_label":
            true = ["no_such_code"]
        if fault == "duplicate":
            true = true * 2
        chosen = true or [code for code in codes if NONE.match(code)]
        return [item(key, part["items"], code, said, known, fault) for code in chosen]
    if part.get("type") == "object" and "properties" in part:
        codes = part["properties"].get("code", {}).get("enum", [])
        true = [code for code in codes if f"{key}/{code}" in known.codes]
        none = [code for code in codes if NONE.match(code)]
        return item(key, part, (true or none or [""])[0], said, known, fault)
    return plain(part)


def item(
    key: str,
    part: Mapping[str, Any],
    code: str,
    said: Sequence[Said],
    known: Truth,
    fault: str,
) -> dict[str, Any]:
    """Return one decision: the code with its evidence, or where a scale stands."""
    value = known.values.get(key)
    where = known.codes.get(f"{key}/{code}", []) if value is None else evidence_of(key, known)
    given: dict[str, Any] = {}
    for name, form in part.get("properties", {}).items():
        if name == "code":
            given[name] = code
        elif name == "quotes":
            given[name] = quotes(where, said, fault)
        elif name == "expressed":
            given[name] = "yes" if fault == "wrong_type" else value is not None
        elif name == "value":
            given[name] = value or 0
        elif name == "confidence":
            given[name] = "high"
        else:
            given[name] = plain(form)
    return given


def evidence_of(key: str, known: Truth) -> list[Said]:
    """Return the turns in which the value of a scale was planted."""
    return [
        turn
        for code, places in known.codes.items()
        if code.startswith(f"{key}/")
        for turn in places
    ]


def quotes(where: Sequence[Said], said: Sequence[Said], fault: str) -> list[dict[str, Any]]:
    """Return quotations from `where`, spoiled as `fault` says."""
    found = []
    for turn in where[:2]:
        text = MARKER.sub("", turn.text).strip()
        first = re.split(r"(?<=[.!?。])\s*", text)[0] or text
        if fault == "invented":
            first = "Words that were never spoken by anybody in this interview at all."
        if fault == "interviewer":
            asked = [other for other in said if other.role == "interviewer"]
            first = asked[0].text if asked else first
        if fault in REPHRASED:
            first = REPHRASED[fault](first)
        found.append({"turn": turn.number, "quote": first})
    return found


def plain(form: Mapping[str, Any]) -> Any:
    """Return something of the type that `form` asks for."""
    if "enum" in form:
        return form["enum"][0]
    kinds: dict[str, Any] = {"boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}
    return kinds.get(str(form.get("type")), "planted")


def answer(
    message: str,
    schema: Mapping[str, Any],
    words: Mapping[str, Sequence[str]],
    fault: str,
    skill: Skill,
) -> str:
    """Return the text of the answer to `message` in the form of `schema`."""
    if translations.is_asked(schema):
        return translations.translation(message, fault)
    if fault == "not_json":
        return "I think that the participant worries."
    said = turns(message)
    known = seen(truth(said, words), schema, said, skill)
    # Half a character can be said in JSON only by its number.
    plain_ascii = fault == "halves"
    return json.dumps(fill(schema, said, known, fault), ensure_ascii=plain_ascii)
