"""From what a file says to a book: every mistake is noted with its place, none stops the search."""

import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from codebooks.exchange.books import (
    CODE_TEXTS,
    DIMENSION_TEXTS,
    KEY_LENGTH,
    KINDS,
    LABEL_LENGTH,
    ORDERED,
    Book,
    CodeSpec,
    DimensionSpec,
    Example,
    WordingSpec,
    is_key,
    key_from,
    kind_named,
    settled,
)
from studies.problems import Problem, _

FARTHEST = 1e9  # an end of a scale beyond this is a slip, and sums of such values overflow
SHOWN = 5  # mistakes; more than these nobody reads at once
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True)
class Cell:
    """One text of a file, and where it stands."""

    text: str
    place: Problem


@dataclass
class Entry:
    """A codebook, a dimension, a code or a wording as the file has it."""

    place: Problem
    fields: dict[str, Cell] = field(default_factory=dict)
    examples: list[tuple[Cell, str]] = field(default_factory=list)  # with language, "" = the book's
    wordings: dict[str, "Entry"] = field(default_factory=dict)
    inner: list["Entry"] = field(default_factory=list)  # dimensions, or codes

    def text(self, name: str) -> str:
        """Return the text of the field, with LF line ends and nothing around it."""
        cell = self.fields.get(name)
        return tidy(cell.text) if cell else ""

    def line(self, name: str) -> str:
        """Return the text of the field as one line."""
        return " ".join(self.text(name).split())

    def at(self, name: str) -> Problem:
        """Return the place of the field, else of the whole."""
        return self.fields[name].place if name in self.fields else self.place


def tidy(text: str) -> str:
    """Return `text` with LF line ends and nothing around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def parted_memo(memo: Cell) -> dict[str, Cell]:
    """Return what people write into the one memo that a code has in other programs.

    >>> cells = parted_memo(Cell("Trust in AI. Include: explicit confidence.", Problem("")))
    >>> [(name, cell.text) for name, cell in cells.items()]
    [('definition', 'Trust in AI. '), ('include', 'explicit confidence.')]
    """
    first, *parts = re.split(r"(?:^|(?<=\s))(Include|Exclude)\s*:\s*", memo.text, flags=re.I)
    found = {"definition": replace(memo, text=first)}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        found.setdefault(name.lower(), replace(memo, text=text))
    return found


class Mistakes(Problem):
    """Everything that is wrong with a file: the first few mistakes with their places."""

    def __init__(self, file: str, found: Sequence[tuple[Problem, Problem]]) -> None:
        super().__init__(_("%(file)s can’t be used as a codebook."), file=file)
        self.found = found

    def sentence(self, gettext: Callable[[str], str] = str) -> str:
        sentences = [super().sentence(gettext)]
        for place, mistake in self.found[:SHOWN]:
            where = place.sentence(gettext)
            values = {
                name: value.sentence(gettext) if isinstance(value, Problem) else value
                for name, value in mistake.values.items()
            }
            what = Problem(mistake.text, **values).sentence(gettext)
            sentences.append(f"{where[:1].upper()}{where[1:]}: {what}")
        if len(self.found) > SHOWN:
            more = gettext(_("And %(count)s more mistakes."))
            sentences.append(more % {"count": len(self.found) - SHOWN})
        return " ".join(sentences)


class Notes:
    """Takes down the mistakes of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[tuple[Problem, Problem]] = []

    def add(self, place: Problem, text: str, **values: object) -> None:
        """Note that at `place` something is wrong."""
        self.found.append((place, Problem(text, **values)))

    def raised(self) -> None:
        """Raise what was noted, if anything was."""
        if self.found:
            raise Mistakes(self.file, self.found)


def checked(whole: Entry, stem: str, notes: Notes) -> Book:
    """Return the book that `whole` describes; its mistakes are raised as one Problem."""
    all_texts(whole, notes)
    name = whole.line("name") or stem
    if len(name) > LABEL_LENGTH:
        notes.add(whole.at("name"), _("The name is longer than 200 characters."))
    language = language_of(whole, notes)
    if not whole.inner:
        notes.add(whole.place, _("There is no dimension: a codebook needs at least one."))
    keys = keys_of(whole.inner, notes)
    dimensions = [
        dimension(entry, key, language, notes) for entry, key in zip(whole.inner, keys, strict=True)
    ]
    notes.raised()
    return settled(Book(name, language, tuple(dimensions)))


def dimension(entry: Entry, key: str, language: str, notes: Notes) -> DimensionSpec:
    """Return the dimension that `entry` describes."""
    called = entry.line("kind")
    kind = kind_named(called)
    if not called:
        notes.add(entry.place, _("“%(key)s” has no kind: one, many or scale."), key=key)
    elif kind is None:
        notes.add(
            entry.at("kind"),
            _("“%(kind)s” is no kind: write one of %(kinds)s."),
            kind=called,
            kinds=", ".join(KINDS),
        )
    minimum, maximum = number(entry, "minimum", notes), number(entry, "maximum", notes)
    if kind == "scale":
        check_scale(entry, key, minimum, maximum, notes)
    elif kind:
        for name in ("minimum", "maximum", "low", "high"):
            if entry.text(name):
                notes.add(entry.at(name), _("Only a scale has “%(field)s”."), field=name)
        if not entry.inner:
            notes.add(entry.place, _("“%(key)s” has no codes: it needs at least one."), key=key)
    codes = [] if kind == "scale" else codes_of(entry, language, notes)
    return DimensionSpec(
        key=key,
        label=label_of(entry, key, notes),
        kind=kind or "many",
        question=entry.text("question"),
        minimum=minimum,
        maximum=maximum,
        low=entry.text("low"),
        high=entry.text("high"),
        codes=tuple(codes),
        wordings=wordings_of(entry, DIMENSION_TEXTS, language, notes),
        ordered=called.lower() == ORDERED,
        guid=entry.line("guid"),
    )


def check_scale(
    entry: Entry, key: str, minimum: float | None, maximum: float | None, notes: Notes
) -> None:
    """Note what is wrong with the ends of a scale."""
    for name in ("minimum", "maximum"):
        if not entry.text(name):
            notes.add(entry.place, _("The scale “%(key)s” has no %(end)s."), key=key, end=name)
    if max(abs(minimum or 0), abs(maximum or 0)) > FARTHEST:
        notes.add(
            entry.place,
            _("The scale “%(key)s” must lie between −1,000,000,000 and 1,000,000,000."),
            key=key,
        )
    elif minimum is not None and maximum is not None and minimum >= maximum:
        notes.add(
            entry.at("maximum"),
            _(
                "The scale “%(key)s” must go up: "
                "its minimum is %(minimum)s and its maximum %(maximum)s."
            ),
            key=key,
            minimum=f"{minimum:g}",
            maximum=f"{maximum:g}",
        )
    if entry.inner:
        notes.add(entry.inner[0].place, _("The scale “%(key)s” can’t have codes."), key=key)


def codes_of(entry: Entry, language: str, notes: Notes) -> list[CodeSpec]:
    """Return the codes of a dimension, their parents found."""
    keys = keys_of(entry.inner, notes)
    labels = [label_of(code, key, notes) for code, key in zip(entry.inner, keys, strict=True)]
    asked = [code.line("key") for code in entry.inner]
    names = [named(keys, called) for called in (asked, labels)]
    known = set(keys)
    parents = [parent_of(code, known, names, notes) for code in entry.inner]
    above = dict(zip(keys, parents, strict=True))
    for code, key in zip(entry.inner, keys, strict=True):
        if in_a_ring(key, above):
            notes.add(
                code.at("parent"),
                _("“%(key)s” is above itself: its parents go in a ring."),
                key=key,
            )
    return [
        CodeSpec(
            key=key,
            label=label,
            definition=code.text("definition"),
            include=code.text("include"),
            exclude=code.text("exclude"),
            examples=examples_of(code, language, notes),
            parent=parent,
            color=color_of(code, notes),
            wordings=wordings_of(code, CODE_TEXTS, language, notes),
            guid=code.line("guid"),
        )
        for code, key, label, parent in zip(entry.inner, keys, labels, parents, strict=True)
    ]


def keys_of(entries: Sequence[Entry], notes: Notes) -> list[str]:
    """Return a key for each entry: as given, else made from its label; no two alike."""
    given = [entry.line("key") for entry in entries]
    taken: dict[str, Problem] = {}
    labels: set[tuple[str, str]] = set()
    keys = []
    for entry, asked in zip(entries, given, strict=True):
        label = asked or entry.line("label")
        key = asked if is_key(asked) else key_from(label) if label else ""
        if not key:
            notes.add(entry.place, _("There is neither a key nor a label."))
        elif len(asked) > KEY_LENGTH and is_key(asked[:KEY_LENGTH]):
            notes.add(entry.at("key"), _("The key is longer than 80 characters."))
        elif key in taken and asked and (is_key(asked) or given.count(asked) > 1):
            notes.add(
                entry.at("key"),
                _("The key “%(key)s” is used twice (first: %(first)s)."),
                key=key,
                first=taken[key],
            )
        elif not asked and (label, entry.line("parent")) in labels:
            notes.add(entry.at("label"), _("“%(name)s” is named twice."), name=label)
        elif key in taken:
            key = free(key, {*taken, *given})
        taken.setdefault(key, entry.place)
        labels.add((label, entry.line("parent")))
        keys.append(key)
    return keys


def free(key: str, taken: Iterable[str]) -> str:
    """Return `key` with the first number behind it that nobody has."""
    numbers = range(2, 100_000)
    return next(
        candidate
        for number in numbers
        if (candidate := f"{key[: KEY_LENGTH - 6]}_{number}") not in taken
    )


def label_of(entry: Entry, key: str, notes: Notes) -> str:
    """Return the label of an entry; one without gets it from its key."""
    label = entry.line("label")
    if not label:
        asked = entry.line("key")
        label = asked if asked and not is_key(asked) else re.sub("[_-]+", " ", key).capitalize()
    if len(label) > LABEL_LENGTH:
        notes.add(entry.at("label"), _("The label is longer than 200 characters."))
    return label


def named(keys: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the keys of the codes that have each of the `names`."""
    found: dict[str, list[str]] = {}
    for key, name in zip(keys, names, strict=True):
        found.setdefault(name, []).append(key)
    return found


def parent_of(
    code: Entry, keys: Collection[str], names: Sequence[Mapping[str, list[str]]], notes: Notes
) -> str:
    """Return the key of the parent of `code`, which the file calls by its key or one of `names`."""
    asked = code.line("parent")
    if not asked or asked in keys:
        return asked
    for called in names:
        found = called.get(asked, [])
        if len(found) == 1:
            return found[0]
        if found:
            text = _("“%(parent)s” is the label of several codes: name the parent by its key.")
            break
    else:
        text = _("The parent “%(parent)s” is no code of this dimension.")
    notes.add(code.at("parent"), text, parent=asked)
    return ""


def in_a_ring(key: str, parents: Mapping[str, str]) -> bool:
    """Return whether going up from `key` leads to `key` again.

    >>> in_a_ring("a", {"a": "b", "b": "a"}), in_a_ring("c", {"c": "a", "a": "b", "b": "a"})
    (True, False)
    """
    above, seen = parents.get(key, ""), set()
    while above and above != key and above not in seen:
        seen.add(above)
        above = parents.get(above, "")
    return above == key and bool(above)


def color_of(code: Entry, notes: Notes) -> str:
    """Return the colour as #RRGGBB."""
    asked = code.line("color")
    digits = asked.removeprefix("#")
    if re.fullmatch(r"[0-9A-Fa-f]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if not asked or re.fullmatch(r"[0-9A-Fa-f]{6}", digits):
        return f"#{digits}" if asked else ""
    notes.add(
        code.at("color"),
        _("“%(color)s” is no colour: write it like #0072B2, in YAML between quotes."),
        color=asked,
    )
    return ""


def number(entry: Entry, name: str, notes: Notes) -> float | None:
    """Return the number in the field, None where there is none."""
    text = entry.line(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        notes.add(entry.at(name), _("“%(number)s” is no number."), number=text)
        return None
    return value + 0.0  # no minus before a zero


def language_of(entry: Entry, notes: Notes) -> str:
    """Return the language of the codebook, English where the file does not say."""
    language = entry.line("language") or "en"
    if is_language(language):
        return language
    notes.add(
        entry.at("language"),
        _("“%(language)s” is no language code: write it like “en” or “pt-BR”."),
        language=language,
    )
    return "en"


def is_language(text: str) -> bool:
    """Return whether `text` has the form of a BCP 47 tag.

    >>> is_language("zh-Hant"), is_language("German")
    (True, False)
    """
    return len(text) <= 35 and bool(LANGUAGE.fullmatch(text))


def wordings_of(
    entry: Entry, allowed: Sequence[str], own: str, notes: Notes
) -> tuple[WordingSpec, ...]:
    """Return the wordings of an entry in languages other than the codebook's own."""
    wordings = []
    for language, wording in entry.wordings.items():
        if not is_language(language):
            notes.add(
                wording.place,
                _("“%(language)s” is no language code: write it like “en” or “pt-BR”."),
                language=language,
            )
        elif language == own:
            notes.add(
                wording.place,
                _("“%(language)s” is the codebook’s own language: write it without wordings."),
                language=language,
            )
        texts = tuple(
            (name, wording.line(name) if name == "label" else wording.text(name))
            for name in allowed
            if wording.text(name)
        )
        if texts:
            wordings.append(WordingSpec(language, texts))
    return tuple(wordings)


def examples_of(code: Entry, language: str, notes: Notes) -> tuple[Example, ...]:
    """Return the examples of a code, those of its wordings too."""
    examples = []
    given = [*code.examples]
    for tag, wording in code.wordings.items():
        given += [(cell, tongue or tag) for cell, tongue in wording.examples]
    for cell, tongue in given:
        if tongue and not is_language(tongue):
            notes.add(
                cell.place,
                _("“%(language)s” is no language code: write it like “en” or “pt-BR”."),
                language=tongue,
            )
        if text := tidy(cell.text):
            examples.append(Example(text, tongue or language))
    return tuple(examples)


def all_texts(entry: Entry, notes: Notes) -> None:
    """Note characters that are no text: nothing could show, search or store them."""
    for cell in [*entry.fields.values(), *(cell for cell, _language in entry.examples)]:
        for char in cell.text:
            if char in "\n\r\t":
                continue
            if unicodedata.category(char) in ("Cc", "Cs") or char in "\ufffe\uffff":
                notes.add(
                    cell.place,
                    _("There is a character that is no text (%(char)s): delete it."),
                    char=f"U+{ord(char):04X}",
                )
                break
    for other in [*entry.wordings.values(), *entry.inner]:
        all_texts(other, notes)
