"""Codebooks in the REFI-QDA form, which most programs for qualitative analysis read and write.

The form knows codes with a name, a colour, a description and codes beneath them; one that is not
codable is a folder. A dimension is a folder at the top. What the form has no field for stands in
the description in lines such as `INCLUDE: …`, which people read in any program and which are found
again here.

Files of other programs know no dimensions. Each of their folders at the top becomes one, since a
folder is what people put codes into that answer one question; what stands at the top without a
folder becomes one dimension together. Folders within become codes, for nesting is all that tells
them from codes here.
"""

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import IO

from codebooks.exchange.books import (
    CODE_TEXTS,
    DIMENSION_TEXTS,
    Book,
    CodeSpec,
    DimensionSpec,
    WordingSpec,
    key_from,
    kind_named,
)
from codebooks.exchange.checking import Cell, Entry, Notes, parted_memo
from codebooks.exchange.tables import cell_text, nested
from studies.labelled import Form, Part
from studies.markup import (
    Element,
    Markup,
    NoXML,
    children,
    guid_in,
    local,
    root_of,
    text_in,
)
from studies.problems import Problem, _

SPACE = "urn:QDA-XML:codebook:1.0"
ORIGIN = "Concord"
OURS = uuid.UUID("5b0c4bbf-3f6d-4d0e-9a55-1f8e9a9d7c11")  # the space that names become GUIDs in
COLOR = re.compile(r"#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})")
OF_A_CODE = Form(["KEY", "LABEL"], ["DEFINITION", "INCLUDE", "EXCLUDE", "EXAMPLES?"])
OF_A_DIMENSION = Form(
    [
        *("KEY", "LABEL", "KIND", "QUESTION", "MINIMUM", "MAXIMUM", "LOW", "HIGH"),
        *("CODEBOOK", "LANGUAGE"),
    ]
)


# ---- reading -------------------------------------------------------------------------------------


def read(content: bytes, stem: str, notes: Notes) -> Entry:
    """Return what the file says; what can't be read at all is raised at once."""
    try:
        root = root_of(notes.file, content)
    except NoXML as error:
        notes.add(place_at(error.line), _("This is no XML: %(error)s."), error=error.why)
        notes.raised()
        raise
    if local(root) != "CodeBook":
        notes.add(
            place_of(root),
            _("This is no codebook in the REFI-QDA form: it begins with “%(element)s”."),
            element=local(root)[:60],
        )
        notes.raised()
    lists = children(root, "Codes")
    return codebook(lists[0] if lists else root, root.get("origin") or "", stem, notes)


def codebook(element: Element, origin: str, stem: str, notes: Notes) -> Entry:
    """Return what the element Codes says, of a codebook's file or of a project's."""
    whole = Entry(place_of(element))
    codes = children(element, "Code")
    if not codes:
        notes.add(whole.place, _("There are no codes in it."))
        notes.raised()
    taken: Counter[str] = Counter()
    loose: list[Element] = []
    for code in codes:
        parts = OF_A_DIMENSION.read(text_in(code, "Description"))
        kind = next((part.text for part in parts if part.label == "KIND"), "")
        if not kind_named(kind) and (is_codable(code) or not children(code, "Code")):
            if is_codable(code):  # an empty folder asks nothing
                loose.append(code)
            continue
        entry = dimension(code, parts, taken)
        entry.inner = list(codes_in(children(code, "Code"), origin))
        for part in parts:
            if part.label in ("CODEBOOK", "LANGUAGE"):
                name = {"CODEBOOK": "name"}.get(part.label, "language")
                whole.fields.setdefault(name, Cell(part.text, entry.place))
        whole.inner.append(entry)
    if loose:
        place = place_of(loose[0])
        fields = {"key": unique(f"> {stem}", taken), "label": stem, "kind": "many"}
        entry = Entry(place, {name: Cell(text, place) for name, text in fields.items()})
        entry.inner = list(codes_in(loose, origin))
        whole.inner.append(entry)
    return whole


def dimension(element: Element, parts: Iterable[Part], taken: Counter[str]) -> Entry:
    """Return the dimension that a folder at the top stands for, without its codes."""
    place = place_of(element)
    name = name_of(element)
    entry = Entry(place, {"kind": Cell("many", place), "guid": Cell(guid_of(element), place)})
    for part in parts:
        field = part.label.lower() or "question"
        if part.label == "LABEL" and not part.about and part.text not in name:
            continue  # another program has given it another name since
        if field in ("codebook", "language"):
            continue
        put(entry, field, part, DIMENSION_TEXTS)
    entry.fields.setdefault("label", Cell(name, place))
    if "key" not in entry.fields and (label := entry.line("label")):
        entry.fields["key"] = Cell(unique(f"> {label}", taken), place)
    return entry


def codes_in(elements: Iterable[Element], origin: str) -> Iterator[Entry]:
    """Yield the codes of one dimension, each before those beneath it."""
    elements = list(elements)
    paths: dict[str, tuple[str, ...]] = {}
    if origin.startswith("Taguette"):  # which writes the tree into the names
        names = {name_of(element) for element in elements}
        paths = {name: nested(name, names) for name in names}
        at = {paths[name_of(element)]: place for place, element in enumerate(elements)}
        elements.sort(key=lambda element: [at[one] for one in beginnings(paths[name_of(element)])])
    called: dict[tuple[str, ...], str] = {}  # of a tree in names: what is asked for as key
    taken: Counter[str] = Counter()
    waiting = [(one, "") for one in reversed(elements)]
    while waiting:
        element, above = waiting.pop()
        entry = code(element)
        if not above and (steps := paths.get(name_of(element))):
            entry.fields["label"] = Cell(steps[-1], entry.place)
            above = called.get(steps[:-1], "")
            called[steps] = f"{above} > {steps[-1]}"
        if above:
            entry.fields["parent"] = Cell(above, entry.place)
        if label := entry.line("label"):  # else it is a mistake, which is told of it
            key = Cell(unique(f"{above} > {label}", taken), entry.place)
            entry.fields.setdefault("key", key)
        asked = entry.line("key")
        waiting += [(child, asked) for child in reversed(children(element, "Code"))]
        yield entry


def beginnings(steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the ways to everything that stands above the end of `steps`, and to it."""
    for depth in range(1, len(steps) + 1):
        yield steps[:depth]


def code(element: Element) -> Entry:
    """Return the code that `element` is, without its place among the others."""
    place = place_of(element)
    name = name_of(element)
    entry = Entry(place, {"guid": Cell(guid_of(element), place)})
    color = element.get("color") or ""
    if COLOR.fullmatch(color):
        entry.fields["color"] = Cell(color, place)
    parts = OF_A_CODE.read(text_in(element, "Description"))
    if len(parts) == 1 and not parts[0].label:
        memo = parted_memo(Cell(parts[0].text, place))
        parts = [Part(field.upper(), "", cell.text) for field, cell in memo.items()]
    for part in parts:
        field = part.label.lower() or "definition"
        if part.label == "LABEL" and not part.about and part.text not in name:
            continue
        put(entry, "example" if field == "examples" else field, part, CODE_TEXTS)
    entry.fields.setdefault("label", Cell(name, place))
    return entry


def put(entry: Entry, field: str, part: Part, worded: tuple[str, ...]) -> None:
    """Keep a part of a description as the field, example or wording that it is."""
    cell = Cell(part.text, entry.place)
    if field == "example":
        entry.examples.append((cell, part.about))
    elif part.about and field in worded:
        wording = entry.wordings.setdefault(part.about, Entry(entry.place))
        wording.fields.setdefault(field, cell)
    elif field in entry.fields and field not in ("kind", "key"):
        text = f"{entry.fields[field].text}\n{part.text}"
        entry.fields[field] = Cell(text, entry.place)
    else:
        entry.fields[field] = cell


def unique(asked: str, taken: Counter[str]) -> str:
    """Return `asked`, with a number from the second time on."""
    taken[asked] += 1
    return asked if taken[asked] == 1 else unique(f"{asked} {taken[asked]}", taken)


def is_codable(element: Element) -> bool:
    """Return whether `element` is a code rather than a folder."""
    return (element.get("isCodable") or "").strip().lower() not in ("false", "0")


def name_of(element: Element) -> str:
    """Return the name of `element` as one line."""
    return " ".join((element.get("name") or "").split())


def guid_of(element: Element) -> str:
    """Return the GUID of `element`, "" where it has none that is one."""
    return guid_in(element.get("guid"))


def place_of(element: Element) -> Problem:
    """Return the place of `element`."""
    return place_at(element.sourceline or 1)


def place_at(line: int) -> Problem:
    """Return a line as a place."""
    return Problem(_("line %(line)s"), line=line)


# ---- writing -------------------------------------------------------------------------------------


def write(book: Book, file: IO[bytes]) -> list[Problem]:
    """Write `book`; return what the form could not carry."""
    markup = Markup(file)
    with markup.element("CodeBook", xmlns=SPACE, origin=ORIGIN):
        losses = write_codes(book, markup)
    markup.close()
    return losses


def write_codes(book: Book, markup: Markup) -> list[Problem]:
    """Write the codes of `book`, which are the same in a codebook's file and a project's."""
    if not book.dimensions:
        raise Problem(
            _("“%(codebook)s” has no dimension: a file of this form needs at least one code."),
            codebook=book.name,
        )
    names = Names(book)
    losses = []
    about = [Part("CODEBOOK", "", book.name), Part("LANGUAGE", "", book.language)]
    with markup.element("Codes"):
        for spec in book.dimensions:
            scale = "true" if spec.kind == "scale" else "false"
            with markup.element(
                "Code", guid=dimension_guid(book, spec), name=names.of(spec), isCodable=scale
            ):
                parts = [*dimension_parts(spec, names), *about]
                markup.leaf("Description", OF_A_DIMENSION.written(parts))
                order = write_tree(book, spec, names, markup)
            about = []
            if order != [code.key for code in spec.codes]:
                losses.append(
                    Problem(
                        _(
                            "The codes of “%(dimension)s” stand in another order in it: each "
                            "behind the code that it belongs to."
                        ),
                        dimension=spec.label,
                    )
                )
    return losses


def write_tree(book: Book, spec: DimensionSpec, names: "Names", markup: Markup) -> list[str]:
    """Write the codes of a dimension, each within its parent; return their keys in that order."""
    beneath: dict[str, list[CodeSpec]] = {}
    for one in spec.codes:
        beneath.setdefault(one.parent, []).append(one)
    order: list[str] = []

    def tree(parent: str) -> None:
        for one in beneath.get(parent, ()):
            order.append(one.key)
            with markup.element(
                "Code",
                guid=code_guid(book, spec, one),
                name=names.of(spec, one),
                isCodable="true",
                color=one.color or None,
            ):
                if text := description(spec, one, book.language, names):
                    markup.leaf("Description", text)
                tree(one.key)

    tree("")
    return order


class Names:
    """What codes are called in the file: by their labels, and where these recur by their paths.

    Some programs know a code by its name alone, and would make one of two.
    """

    def __init__(self, book: Book) -> None:
        self.names: dict[tuple[str, str], str] = {}
        folders: set[str] = set()
        codes: set[str] = set()
        often = Counter(
            one.label.casefold()
            for spec in book.dimensions
            for one in (spec.codes if spec.kind != "scale" else [spec])
        )
        for spec in book.dimensions:
            scale = spec.kind == "scale"
            self.names[spec.key, ""] = free(spec.label, codes if scale else folders)
            labels = {one.key: one.label for one in spec.codes}
            for one in spec.codes:
                above = labels.get(one.parent, spec.label)
                alone = often[one.label.casefold()] == 1
                name = one.label if alone else f"{above} > {one.label}"
                self.names[spec.key, one.key] = free(name, codes)

    def of(self, spec: DimensionSpec, one: CodeSpec | None = None) -> str:
        """Return the name of a code, or of the dimension itself."""
        return self.names[spec.key, one.key if one else ""]


def free(name: str, taken: set[str]) -> str:
    """Return `name`, with a number if it is taken; from now on it is."""
    number, given = 1, name
    while given.casefold() in taken:
        number += 1
        given = f"{name} ({number})"
    taken.add(given.casefold())
    return given


def dimension_parts(spec: DimensionSpec, names: Names) -> Iterator[Part]:
    """Yield what is written of a dimension beside its name."""
    yield Part("QUESTION", "", spec.question)
    yield Part("KIND", "", spec.written)
    yield Part("MINIMUM", "", cell_text(spec.minimum))
    yield Part("MAXIMUM", "", cell_text(spec.maximum))
    yield Part("LOW", "", spec.low)
    yield Part("HIGH", "", spec.high)
    yield from worded(spec.wordings)
    if names.of(spec) != spec.label:
        yield Part("LABEL", "", spec.label)
    if spec.key != key_from(spec.label):
        yield Part("KEY", "", spec.key)


def description(spec: DimensionSpec, one: CodeSpec, language: str, names: Names) -> str:
    """Return the description of a code; a definition alone needs no label."""
    parts = [
        Part("DEFINITION", "", one.definition),
        Part("INCLUDE", "", one.include),
        Part("EXCLUDE", "", one.exclude),
        *(
            Part("EXAMPLE", "" if example.language == language else example.language, example.text)
            for example in one.examples
        ),
        *worded(one.wordings),
    ]
    if names.of(spec, one) != one.label:
        parts.append(Part("LABEL", "", one.label))
    siblings = [other.label for other in spec.codes if other.parent == one.parent]
    if one.parent or siblings.count(one.label) > 1 or one.key != key_from(one.label):
        parts.append(Part("KEY", "", one.key))
    said = [part for part in parts if part.text]
    if [part.label for part in said] == ["DEFINITION"]:
        alone = said[0].text
        plain = OF_A_CODE.read(alone) == [Part("", "", alone)]
        if plain and set(parted_memo(Cell(alone, Problem("")))) == {"definition"}:
            return alone
    return OF_A_CODE.written(said)


def worded(wordings: Iterable[WordingSpec]) -> Iterator[Part]:
    """Yield the texts of wordings, each with its language."""
    for one in wordings:
        for name, text in one.texts:
            yield Part(name.upper(), one.language, text)


def dimension_guid(book: Book, spec: DimensionSpec) -> str:
    """Return the GUID of a dimension, always the same for its name and its codebook's."""
    return spec.guid or str(uuid.uuid5(OURS, f"{book.name}\n{spec.key}"))


def code_guid(book: Book, spec: DimensionSpec, one: CodeSpec) -> str:
    """Return the GUID of a code, made from names where it has none yet."""
    return one.guid or str(uuid.uuid5(OURS, f"{book.name}\n{spec.key}\n{one.key}"))


def guids_of(book: Book) -> Mapping[str, tuple[str, str]]:
    """Return the keys of dimension and code by GUID, as `write_codes` writes them."""
    found = {}
    for spec in book.dimensions:
        if spec.kind == "scale":
            found[dimension_guid(book, spec)] = (spec.key, spec.key)
        for one in spec.codes:
            found[code_guid(book, spec, one)] = (spec.key, one.key)
    return found
