"""Which language a text is in; plain Python.

Two detectors vote: langdetect, which knows 55 languages and must be seeded, and py3langid, which
knows 139. Where they agree they are right; where they do not, py3langid answers if it is confident.
What nobody is confident about is `unsure` and waits for a person.
"""

import multiprocessing
import os
import re
import signal
import threading
import tomllib
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from .problems import Problem, _

DETECTED = "detected"
UNSURE = "unsure"
UNDETERMINED = "und"
SURE = 0.7  # py3langid alone
AGREED = 0.3  # py3langid, when langdetect says the same
MOST = 1000  # characters looked at: more teach nothing new
MOST_SLOW = 500  # characters for langdetect, whose answers are as good from 100 on
CHUNK = 16  # texts given to a process at once
MANY = 200  # texts from which on starting processes pays

T = TypeVar("T")
Vote = tuple[str, float]


class Detected(NamedTuple):
    """A language, how it is known, and each detector's vote: {"py3langid": ("pt", 0.99), ...}."""

    language: str
    source: str
    probability: float | None
    votes: dict[str, Vote]


def detect(text: str, allowed: Sequence[str] = (), fallback: str = UNDETERMINED) -> Detected:
    """Return the language of `text`; `fallback`, marked unsure, where nobody is confident.

    `allowed` are the languages that the study names, if it names any.

    >>> detect("Ich arbeite seit zehn Jahren als Lehrerin in Leipzig.")[:2]
    ('de', 'detected')
    >>> detect("12:30", fallback="de")[:2]
    ('de', 'unsure')
    """
    words = plain_words(text)
    if not any(character.isalpha() for character in words):
        return Detected(fallback, UNSURE, None, {})

    ranking = _py3langid(words)
    second = _langdetect(words)
    top = ranking[0]
    votes: dict[str, Vote] = {"py3langid": (top[0], round(top[1], 4))}
    if second:
        votes["langdetect"] = (second[0], round(second[1], 4))
    agree = second is not None and second[0] == top[0]
    if not agree and allowed:
        top = _among(ranking, allowed) or top
    if top[0] == "zxx" or not (top[1] >= SURE or (agree and top[1] >= AGREED)):
        return Detected(fallback, UNSURE, round(top[1], 4), votes)
    language = _with_script(words) if top[0] == "zh" else top[0]
    return Detected(language, DETECTED, round(top[1], 4), votes)


def guess(text: str) -> str:
    """Return py3langid's best guess of the language of `text`, quickly."""
    return _py3langid(plain_words(text))[0][0]


def plain_words(text: str) -> str:
    """Return the start of `text` without addresses and times; capitals alone become small.

    >>> plain_words("[00:01:02] SEE HTTPS://EXAMPLE.ORG NOW")
    'see now'
    """
    plain = _NOT_WORDS.sub(" ", text[: 4 * MOST])
    plain = " ".join(plain.split())[:MOST]
    return plain.lower() if plain.isupper() else plain


_NOT_WORDS = re.compile(
    r"(?:https?://|www\.)\S+|\S+@\S+\.\S+"
    r"|[\[(<]?\b\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?:\s*-->)?[\])>]?",
    re.IGNORECASE,
)


def normalise(name: str) -> str:
    """Return the code of a language that a file names by code or word; "" if it is not known.

    The region is left out, since no detector tells regions apart; a script is kept.

    >>> [normalise(name) for name in ("English", "en-US", "deu", "zh_TW", "sr-Latn", "Klingonese")]
    ['en', 'en', 'de', 'zh-Hant', 'sr-Latn', '']
    """
    plain = " ".join(unicodedata.normalize("NFC", name).split()).casefold()
    if known := _names().get(plain):
        return known
    parts = re.split(r"[-_]", plain)
    code = parts[0]
    if not re.fullmatch(r"[a-z]{2,3}", code) or len(plain) > 35:
        return ""
    if not all(re.fullmatch(r"[a-z0-9]{1,8}", part) for part in parts[1:]):
        return ""
    base = _names().get(code, code)
    if len(code) == 2 and code not in _names():
        return ""
    if base == "zh":
        if {"hant", "tw", "hk", "mo"} & set(parts[1:]):
            return "zh-Hant"
        return "zh-Hans" if {"hans", "cn", "sg"} & set(parts[1:]) else "zh"
    scripts = [part.capitalize() for part in parts[1:] if re.fullmatch(r"[a-z]{4}", part)]
    return "-".join([base, *scripts[:1]])


def language_named(name: str) -> str:
    """Return the code of the language called `name`; one that is not known is a Problem."""
    code = normalise(name)
    if not code:
        raise unknown(name)
    return code


def unknown(name: str) -> Problem:
    """Return what to say of a language called `name`, which nobody knows."""
    return Problem(
        _("“%(language)s” is no known language: give its code, such as “pt”."),
        language=name.strip()[:60],
    )


@cache
def _lines() -> dict[str, str]:
    path = Path(__file__).parent / "languages.toml"
    return {code: str(line) for code, line in tomllib.loads(path.read_text("utf-8")).items()}


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for code, line in _lines().items():
        codes, *words = line.split("|")
        said = [name.strip() for part in words for name in part.split(",")]
        for name in (code, *codes.split(), *said):
            if name:
                names.setdefault(unicodedata.normalize("NFC", name).casefold(), code)
    return names


def english(code: str) -> str:
    """Return the name of a language in English, "" where it is not known.

    >>> english("de"), english("zz")
    ('German', '')
    """
    line = _lines().get(code, "")
    return line.split("|")[1].partition(",")[0].strip() if "|" in line else ""


# What the detectors call some languages, in BCP 47.
_SAME = {"zh-cn": "zh", "zh-tw": "zh", "kik": "ki", "gug": "gn", "gom": "kok", "fuv": "ff"}
_loading = threading.Lock()


@cache
def _identifier() -> Any:
    # Imported here: numpy and the model take a second, which no other command should wait for.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _factory() -> Any:
    from langdetect import detector_factory

    detector_factory.DetectorFactory.seed = 0  # it answers at random without
    factory = detector_factory.DetectorFactory()
    factory.load_profile(detector_factory.PROFILES_DIRECTORY)
    return factory


def _py3langid(words: str) -> list[Vote]:
    with _loading:
        identifier = _identifier()
    return [
        (_SAME.get(language, language), float(probability))
        for language, probability in identifier.rank(words)
    ]


def _langdetect(words: str) -> Vote | None:
    from langdetect.lang_detect_exception import LangDetectException

    with _loading:
        factory = _factory()
    detector = factory.create()
    detector.append(words[:MOST_SLOW])
    try:
        ranking = detector.get_probabilities()
    except LangDetectException:  # nothing in it that any language writes
        return None
    return (_SAME.get(ranking[0].lang, ranking[0].lang), ranking[0].prob) if ranking else None


def _among(ranking: Sequence[Vote], allowed: Sequence[str]) -> Vote | None:
    """Return the best of `allowed`, its probability being its share among them."""
    bases = {language.split("-")[0] for language in allowed}
    left = [vote for vote in ranking if vote[0] in bases]
    total = sum(probability for _, probability in left)
    return (left[0][0], left[0][1] / total) if total > 0 else None


def _with_script(words: str) -> str:
    """Return zh-Hans or zh-Hant, by the characters that only one of the two can encode.

    >>> _with_script("我觉得这个东西很有用"), _with_script("我覺得這個東西很有用")
    ('zh-Hans', 'zh-Hant')
    """
    simplified = traditional = 0
    for character in words:
        if "\u3400" <= character <= "\u9fff":
            in_gb, in_big5 = _encodes(character, "gb2312"), _encodes(character, "big5")
            simplified += in_gb and not in_big5
            traditional += in_big5 and not in_gb
    return "zh-Hant" if traditional > simplified else "zh-Hans"


def _encodes(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class Detection:
    """Detects for many texts on all cores: `with Detection() as detection: detection.over(...)`.

    Processes start only when there are many texts, and never within a process that may not have
    children; they are started afresh, so that they share no database connection with this one.
    """

    def __init__(
        self, allowed: Sequence[str] = (), fallback: str = UNDETERMINED, processes: int = 0
    ) -> None:
        self.allowed = tuple(allowed)
        self.fallback = fallback
        self.processes = processes or _cores()
        self._pool: ProcessPoolExecutor | None = None
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def over(
        self, items: Iterable[T], words: Callable[[T], str | None]
    ) -> Iterator[tuple[T, Detected | None]]:
        """Yield each of `items` in order with the language of its `words`; None where these are.

        Some two hundred items are read ahead, no more.
        """
        waiting: deque[tuple[list[tuple[T, str | None]], Future[list[Detected]]]] = deque()
        stream = ((item, words(item)) for item in items)
        first = list(islice(stream, MANY))
        if len(first) == MANY and sum(said is not None for _item, said in first) > MANY // 4:
            # Decided before the first text, so that this process never loads the detectors.
            self._start_processes()
        everything = chain(first, stream)
        while chunk := list(islice(everything, CHUNK)):
            waiting.append((chunk, self._start([said for _, said in chunk if said is not None])))
            if len(waiting) > 3 * self.processes:
                yield from _joined(*waiting.popleft())
        while waiting:
            yield from _joined(*waiting.popleft())

    def _start(self, texts: list[str]) -> "Future[list[Detected]]":
        self._seen += len(texts)
        if self._pool is None and self._seen > MANY:
            self._start_processes()
        if self._pool and texts:
            return self._pool.submit(_detect_all, texts, self.allowed, self.fallback)
        done: Future[list[Detected]] = Future()
        done.set_result(_detect_all(texts, self.allowed, self.fallback))
        return done

    def _start_processes(self) -> None:
        if self.processes > 1 and not multiprocessing.current_process().daemon:
            self._pool = ProcessPoolExecutor(
                self.processes,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_live_and_die_with_the_parent,
            )


def _joined(
    chunk: list[tuple[T, str | None]], future: "Future[list[Detected]]"
) -> Iterator[tuple[T, Detected | None]]:
    found = iter(future.result())
    for item, said in chunk:
        yield item, None if said is None else next(found)


def _detect_all(texts: list[str], allowed: tuple[str, ...], fallback: str) -> list[Detected]:
    return [detect(text, allowed, fallback) for text in texts]


def _live_and_die_with_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    threading.Thread(target=_end_after_the_parent, daemon=True).start()


def _end_after_the_parent() -> None:
    """End this process once the one that started it is gone, even if that was killed."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
