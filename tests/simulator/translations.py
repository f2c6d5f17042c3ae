"""How the simulated model translates: every turn comes back with a mark of the language.

Nothing but the prompt is read: which turns there are, by their true numbers, and the language that
they are to be in, which the line before them names.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

WANTED = re.compile(r"^Translate turns? .* into (.*)\.$", re.MULTILINE)
TAG = re.compile(r"\(([\w-]+)\)$")
FRAME = re.compile(r"^The interview is everything between <(interview-\w+)> and ", re.MULTILINE)
SEAL = re.compile(r"^Its turns are numbered \[T1(-\w+) …\]", re.MULTILINE)
HALF = "\ud83d"


def is_asked(schema: Mapping[str, Any]) -> bool:
    """Return whether an answer in the form of `schema` is a translation."""
    items = schema.get("properties", {}).get("turns", {}).get("items", {})
    return set(items.get("properties", {})) == {"turn", "text"}


def turns(message: str) -> list[tuple[int, str]]:
    """Return the turns that `message` asks to translate, by number."""
    tag = FRAME.search(message)
    if tag is None:
        return []
    start = message.index(f"\n<{tag[1]}>\n") + len(tag[1]) + 4
    shown = message[start : message.index(f"\n</{tag[1]}>", start - 1)]
    sealed = SEAL.search(message[:start])
    seal = re.escape(sealed[1]) if sealed else ""
    marks = list(re.finditer(rf"^\[T(\d+){seal} (?:interviewer|participant)\] ", shown, re.M))
    ends = [mark.start() - 1 for mark in marks[1:]] + [len(shown)]
    return [(int(mark[1]), shown[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)]


def rendered(text: str, into: str) -> str:
    """Return `text` as if it was translated."""
    return f"[{into}] {text}"


def translation(message: str, fault: str) -> str:
    """Return the text of the answer to `message`, spoiled as `fault` says."""
    if fault == "not_json":
        return "Here is your translation."
    named = WANTED.search(message)
    tag = TAG.search(named[1]) if named else None
    into = tag[1] if tag else named[1] if named else "?"
    rows: list[dict[str, Any]] = [
        {"turn": number, "text": rendered(text, into)} for number, text in turns(message)
    ]
    if fault == "wrong_label":
        rows[-1]["turn"] += 1_000
    if fault == "duplicate":
        rows.append(rows[0])
    if fault == "missing":
        rows.pop()
    if fault == "no_words":
        rows[0]["text"] = " "
    if fault == "wrong_type":
        rows[0]["turn"] = str(rows[0]["turn"])
    if fault == "endless":
        rows[0]["text"] *= 60
    if fault == "halves":
        rows[0]["text"] += HALF
    return json.dumps({"turns": rows}, ensure_ascii=fault == "halves")
