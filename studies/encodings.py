"""Which encoding a file's bytes are in; plain Python.

UTF-8 and UTF-16 are recognised with certainty, older code pages by what the words look like.
"""

import codecs
import re
from collections.abc import Callable, Iterable
from typing import IO

from charset_normalizer import from_bytes

CHUNK = 1 << 20
SAMPLE = 1 << 16  # bytes of lines with letters beyond ASCII: enough to tell a code page
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Code pages for Latin letters differ in few letters; what tells them apart is the language.
LATIN = {
    "cp1250": {"pl", "cs", "sk", "sl", "hu", "hr", "bs", "ro", "sq"},
    "cp1254": {"tr", "az"},
    "cp1257": {"lt", "lv", "ltg"},
    "iso8859_2": {"pl", "cs", "sk", "sl", "hu", "hr", "bs", "ro", "sq"},
    "mac_roman": set[str](),
    "cp850": set[str](),
}
# Code pages for Cyrillic letters hold each other's small letters where they have capitals.
CYRILLIC = ("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "mac_cyrillic")
EASTERN = frozenset(language for languages in LATIN.values() for language in languages)
USUAL_SIGNS = frozenset(
    "\u2018\u2019\u201a\u2039\u203a\u00b4\u00a0\u00ad“”„«»–—…•·€£§©®°ºª¿¡\n\t "  # quotes and such
)


def encoding_of(file: IO[bytes], language: Callable[[str], str]) -> str:
    """Return the name of the encoding of all that is left in `file`.

    `language` names the language of a text; it is asked only about old code pages. A file that is
    UTF-8 but for a few bytes is UTF-8: the rows with those bytes are found when they are read.
    """
    head = file.read(CHUNK)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if name := _without_mark(head):
        return name
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    beyond = bad = 0
    sample = bytearray()
    chunk = head
    while chunk:
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError:
            decoder.reset()
            text = chunk.decode("utf-8", "surrogateescape")
            escaped = len(re.findall("[\udc80-\udcff]", text))
            bad += escaped
            beyond += sum(character > "\x7f" for character in text) - escaped
            if len(sample) < SAMPLE:
                sample += _telling_lines(chunk, SAMPLE - len(sample))
        else:
            beyond += not chunk.isascii()
        chunk = file.read(CHUNK)
    if not bad or beyond > bad:
        return "utf-8"
    # An old code page of Latin letters hardly ever makes what UTF-8 would read as a letter: a file
    # that holds both was put together from files of both, and no one page reads it.
    if 10 * beyond > bad and _is_latin(bytes(sample)):
        return "utf-8"
    return _code_page(bytes(sample), language)


def _without_mark(head: bytes) -> str:
    """Return the UTF-16 that `head` is in without saying so; "" if it is not.

    >>> _without_mark("Interview: yes".encode("utf-16-le"))
    'utf-16-le'
    """
    start = head[:4000]
    if len(start) < 4 or start.count(0) < len(start) / 100:
        return ""
    # Half of the bytes of UTF-16 say the script: controls in the alphabets, beyond UTF-8 in others.
    # Stray NULs in a file of another encoding are few.
    if _is_utf8(start) and len(re.findall(rb"[\x00-\x1f]", start)) < len(start) / 4:
        return ""
    if len(head) % 2:  # a file ends with a whole character
        return ""
    odd, even = start[1::2], start[::2]
    if odd.count(0) > 4 * even.count(0):
        return "utf-16-le"
    if even.count(0) > 4 * odd.count(0):
        return "utf-16-be"
    # Chinese letters may end in NUL, too, but how they begin varies less than how they end.
    if _is_utf8(start) or len(set(odd)) == len(set(even)):
        return ""
    return "utf-16-le" if len(set(odd)) < len(set(even)) else "utf-16-be"


def _is_utf8(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _telling_lines(chunk: bytes, most: int) -> bytes:
    lines = (line for line in re.split(rb"[\r\n]+", chunk) if not line.isascii())
    return _up_to(lines, most)


def _up_to(lines: Iterable[bytes], most: int) -> bytes:
    kept = bytearray()
    for line in lines:
        kept += line[: most - len(kept)] + b"\n"
        if len(kept) >= most:
            break
    return bytes(kept)


def _is_latin(sample: bytes) -> bool:
    """Return whether a sample is Latin letters: not another alphabet, not two bytes a character."""
    high = len(re.findall(rb"[\x80-\xff]", sample))
    letters = len(re.findall(rb"[A-Za-z]", sample))
    return high <= 0.3 * (high + letters)


def _code_page(sample: bytes, language: Callable[[str], str]) -> str:
    if not _is_latin(sample):
        best = from_bytes(sample[:20_000]).best()
        name = best.encoding if best else "cp1252"
        return max(CYRILLIC, key=lambda page: _small(sample, page)) if name in CYRILLIC else name

    decoded = {"cp1252": _decoded(sample, "cp1252")}
    decoded |= {page: _decoded(sample, page) for page in LATIN}
    oddness = {page: _oddness(text) for page, text in decoded.items() if text}
    if not oddness:
        return "latin-1"
    least = min(oddness.values())
    for page, odd in oddness.items():
        spoken = language(decoded[page][:2000]) if odd == least else None
        fits = spoken in LATIN[page] if LATIN.get(page) else spoken not in EASTERN
        if spoken is not None and fits:
            return _iso(sample, page, spoken)
    return min(oddness, key=lambda page: oddness[page])


def _small(sample: bytes, page: str) -> int:
    """Return how many more small Cyrillic letters than anything else the page makes of a sample."""
    text = sample.decode(page, "replace")
    small = len(re.findall("[а-яёіїєґ]", text))  # noqa: RUF001
    return 2 * small - sum(character > "\x7f" for character in text)


def _iso(sample: bytes, page: str, language: str) -> str:
    """Return ISO 8859-2 for what reads as cp1250, but has š and ž where only ISO has them."""
    if page == "cp1250" and language != "pl" and re.search(rb"[\xa9\xae\xb9\xbe]", sample):
        return page if re.search(rb"[\x80-\x9f]", sample) else "iso8859_2"
    return page


def _decoded(sample: bytes, page: str) -> str:
    try:
        return sample.decode(page)
    except UnicodeDecodeError:
        return ""


def _oddness(text: str) -> int:
    """Return how many characters of `text` no one writes: signs in words, capitals after small."""
    odd = 0
    before = " "
    for here in text:
        if here > "\x7f":
            if not here.isalpha():
                odd += here not in USUAL_SIGNS
            elif here.isupper() and before.islower():
                odd += 1
        elif here.isalpha() and before > "\x7f" and not before.isalpha():
            # An opening quote may touch a word; a sign such as ³ or ¿ within one may not.
            odd += before not in USUAL_SIGNS
        before = here
    return odd
