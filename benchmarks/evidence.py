"""Quotations located in a second, beside doing it without a text that is folded once.

The texts are made of words of several scripts, about 9,000 characters each; the quotations are 40
to 160 characters cut out of them, then left alone, written otherwise, or changed in two words.
"""

# ruff: noqa: RUF001, S311  words of other scripts; chance that must come out the same each time

import random
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from coding.evidence import Text, is_whole, loose_fold

LENGTH = 9_000  # code points a text
QUOTES = 12  # of each text, about what a codebook of several dimensions brings
SYLLABLES = {
    "Latin": "to ma ri schä ne lo qué ng at ión ber sz ça wer ti",
    "Arabic": "كت با لم دي نا سو رة مع كان في من على",
    "Devanagari": "हि न्दी का म में से लो ग क्या है नहीं श्र",
    "Thai": "น้ำ ใจ การ ทำ งาน ที่ เรา ไม่ เป็น คน",
    "Chinese": "我 们 每 天 都 用 它 工 作 但 是 不 相 信",
    "Korean": "나 는 매 일 그 것 을 쓰 지 만 믿",
    "Cyrillic": "ра бо та ет ко то рый мы не знаем й ё",
}
APART = {"Thai": "", "Chinese": ""}


def made_text(script: str, chance: random.Random) -> str:
    """Return a text of `LENGTH` code points in turns of sentences."""
    syllables = SYLLABLES[script].split()
    text = ""
    while len(text) < LENGTH:
        words = [
            "".join(chance.choices(syllables, k=chance.randint(1, 4)))
            for _ in range(chance.randint(4, 18))
        ]
        text += APART.get(script, " ").join(words) + chance.choice([". ", "! ", "…\n", ", "])
    return text[:LENGTH]


def otherwise(quote: str) -> str:
    """Return `quote` as a model may write it: decomposed, other spaces, quotes and dots."""
    changed = unicodedata.normalize("NFD", quote).replace(" ", "\u00a0").replace("…", "...")
    return f"“{changed}”"


def changed(quote: str, chance: random.Random) -> str:
    """Return `quote` with five code points swapped for others of it."""
    letters = list(quote)
    for _ in range(5):
        letters[chance.randrange(len(letters))] = chance.choice(letters)
    return "".join(letters)


def by_text(text: str, quotes: Sequence[str]) -> list[bool]:
    """Locate `quotes` with one `Text`."""
    located = Text(text)
    return [located.locate(quote)[0].found != "missing" for quote in quotes]


def by_folding_each_time(text: str, quotes: Sequence[str]) -> list[bool]:
    """Look for each quotation in a text folded anew, as one would at first."""
    return [loose_fold(quote) in loose_fold(text) for quote in quotes]


def by_difflib(text: str, quotes: Sequence[str]) -> list[bool]:
    """Look for the longest piece of each quotation with the standard library."""
    found = []
    for quote in quotes:
        matcher = SequenceMatcher(None, text, quote, autojunk=False)
        pieces = [match for match in matcher.get_matching_blocks() if match.size > 3]
        found.append(sum(match.size for match in pieces) >= 0.8 * len(quote))
    return found


def rate(
    look: Callable[[str, Sequence[str]], list[bool]], work: Sequence[tuple[str, list[str]]]
) -> tuple[float, float]:
    """Return quotations in a second and the share found."""
    began = time.perf_counter()
    found = [answer for text, quotes in work for answer in look(text, quotes)]
    return len(found) / (time.perf_counter() - began), sum(found) / len(found)


def main() -> None:
    chance = random.Random(5)
    print(f"evidence: texts of {LENGTH:,} characters, {QUOTES} quotations each; quotations/s")
    print(f"{'':12}{'exact':>10}{'folded':>10}{'fuzzy':>10}{'re-folding':>12}{'difflib':>10}")
    for script in SYLLABLES:
        work = []
        for _ in range(30):
            text = made_text(script, chance)
            quotes = []
            for _ in range(QUOTES):
                start = chance.randrange(LENGTH - 200)
                end = start + chance.randint(40, 160)
                while not is_whole(text, start):
                    start += 1
                while not is_whole(text, end):
                    end += 1
                quotes.append(text[start:end].strip())
            work.append((text, quotes))
        folded = [(text, [otherwise(quote) for quote in quotes]) for text, quotes in work]
        fuzzy = [(text, [changed(quote, chance) for quote in quotes]) for text, quotes in work]
        cells = []
        for look, those, least in (
            (by_text, work, 0.85),
            (by_text, folded, 0.85),
            (by_text, fuzzy, 0.85),
            (by_folding_each_time, folded[:3], 0.0),
            (by_difflib, [(text, quotes[:3]) for text, quotes in fuzzy[:1]], 0.0),
        ):
            speed, share = rate(look, those)
            assert share >= least, f"{script}: only {share:.0%} found"
            cells.append(speed)
        exact, fold, near, again, library = cells
        print(f"{script:12}{exact:10,.0f}{fold:10,.0f}{near:10,.0f}{again:12,.0f}{library:10,.1f}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
