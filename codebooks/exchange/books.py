"""A codebook as plain data, and the keys that are made from labels. Knows no files, no rows."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, cast

Kind = Literal["many", "one", "scale"]
KINDS = ("many", "one", "ordered", "scale")
"""Kinds as files write them; `ordered` is one code of several that stand in an order."""
ORDERED = "ordered"
KEY_LENGTH = 80
LABEL_LENGTH = 200

CODE_TEXTS = ("label", "definition", "include", "exclude")
DIMENSION_TEXTS = ("label", "question", "low", "high")


@dataclass(frozen=True, slots=True)
class Example:
    """Something a participant might say, and in which language."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class WordingSpec:
    """How a dimension or a code is put in `language`; `texts` are (field, text) pairs."""

    language: str
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CodeSpec:
    """One thing that may be found; `parent` is the key of another code of the dimension.

    `guid` is what programs know it by; no file needs to have one, and it is no part of the content.
    """

    key: str
    label: str
    definition: str = ""
    include: str = ""
    exclude: str = ""
    examples: tuple[Example, ...] = ()
    parent: str = ""
    color: str = ""
    wordings: tuple[WordingSpec, ...] = ()
    guid: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class DimensionSpec:
    """One question; a scale has no codes but goes from `minimum` (`low`) to `maximum` (`high`).

    `ordered` says of a `one` dimension that its codes go from one end to the other. `guid` is that
    of the one code of a scale.
    """

    key: str
    label: str
    kind: Kind
    question: str = ""
    minimum: float | None = None
    maximum: float | None = None
    low: str = ""
    high: str = ""
    codes: tuple[CodeSpec, ...] = ()
    wordings: tuple[WordingSpec, ...] = ()
    ordered: bool = False
    guid: str = field(default="", compare=False)

    @property
    def written(self) -> str:
        """The kind as files write it."""
        return ORDERED if self.ordered else self.kind


@dataclass(frozen=True, slots=True)
class Book:
    """A codebook: what a file holds and what a revision keeps."""

    name: str
    language: str = "en"
    dimensions: tuple[DimensionSpec, ...] = field(default=())


def settled(book: Book) -> Book:
    """Return `book` with wordings and examples in one agreed order: its own language first."""

    def wordings(given: tuple[WordingSpec, ...]) -> tuple[WordingSpec, ...]:
        return tuple(sorted(given, key=lambda wording: wording.language))

    def code(given: CodeSpec) -> CodeSpec:
        examples = sorted(
            given.examples,
            key=lambda example: (example.language != book.language, example.language),
        )
        return replace(given, examples=tuple(examples), wordings=wordings(given.wordings))

    return replace(
        book,
        dimensions=tuple(
            replace(
                dimension,
                codes=tuple(map(code, dimension.codes)),
                wordings=wordings(dimension.wordings),
            )
            for dimension in book.dimensions
        ),
    )


def digest(book: Book) -> str:
    """Return the SHA-256 of what `book` says; its name and its file do not matter."""
    dimensions = asdict(book)["dimensions"]
    for dimension in dimensions:
        for one in (dimension, *dimension["codes"]):
            del one["guid"]
        # What was frozen before there were ordered dimensions keeps its digest.
        if not dimension["ordered"]:
            del dimension["ordered"]
    content = json.dumps(dimensions, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def from_data(data: Mapping[str, Any]) -> Book:
    """Return the book that `asdict` made `data` of, which may have been JSON in between."""

    def wordings(given: Mapping[str, Any]) -> tuple[WordingSpec, ...]:
        return tuple(
            WordingSpec(one["language"], tuple((name, text) for name, text in one["texts"]))
            for one in given["wordings"]
        )

    def code(given: Mapping[str, Any]) -> CodeSpec:
        examples = tuple(Example(**one) for one in given["examples"])
        return CodeSpec(**{**given, "examples": examples, "wordings": wordings(given)})

    def dimension(given: Mapping[str, Any]) -> DimensionSpec:
        codes = tuple(map(code, given["codes"]))
        return DimensionSpec(**{**given, "codes": codes, "wordings": wordings(given)})

    return Book(**{**data, "dimensions": tuple(map(dimension, data["dimensions"]))})


# Letters that Unicode does not take apart.
LATIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l"}
)


def key_from(label: str) -> str:
    """Return the key that `label` gets where none is given: always the same, and ASCII.

    What no ASCII letter stands for is kept apart by a digest, so that labels in other scripts get
    different keys.

    >>> key_from("Loss of work"), key_from("Größe & Maß"), key_from("AI 信頼"), key_from("不信")
    ('loss_of_work', 'grosse_mass', 'ai_u5a7c3abb', 'u567d38de')
    """
    plain = unicodedata.normalize("NFKD", label.casefold().translate(LATIN))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    words = re.findall(r"[a-z0-9]+", plain)
    if any(char.isalnum() and not char.isascii() for char in plain) or not words:
        agreed = unicodedata.normalize("NFC", label.casefold()).strip(" >.,:;!?-")
        content = agreed.encode("utf-8", "surrogatepass")
        words = [*words[:6], "u" + hashlib.sha256(content).hexdigest()[:8]]
        return "_".join([word[:10] for word in words])
    return "_".join(words)[:KEY_LENGTH].strip("_")


def is_key(text: str) -> bool:
    """Return whether `text` can be a key as it is."""
    return bool(re.fullmatch(r"[-a-zA-Z0-9_]{1,80}", text))


def kind_named(text: str) -> Kind | None:
    """Return the kind that `text` names; what is ordered is of kind `one`."""
    name = text.lower()
    if name == ORDERED:
        return "one"
    return cast(Kind, name) if name in KINDS else None
