"""Codebooks as YAML: read as nodes, so that every mistake knows its line; nothing is executed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from codebooks.exchange.books import CODE_TEXTS, DIMENSION_TEXTS, Book
from codebooks.exchange.checking import Cell, Entry, Notes
from studies.problems import Problem, _

DEEPEST = 20  # levels; a codebook has seven
MOST = 1_000_000  # entries; a thousand codes in ten languages have a hundred thousand
BOOK_FIELDS = ("name", "language")
DIMENSION_FIELDS = ("key", "label", "question", "kind")
SCALE_FIELDS = ("minimum", "maximum", "low", "high")
CODE_FIELDS = ("key", "label", "definition", "include", "exclude", "parent", "color")
# libyaml where it is there: it is ten times as fast.
LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
NULLS = ("", "~", "null", "Null", "NULL")


def read(text: str, notes: Notes) -> Entry:
    """Return what the YAML `text` says; what can't be read at all is raised at once."""
    root = composed(text, notes)
    whole = Entry(Problem(_("line %(line)s"), line=1))
    if root is None or is_null(root):
        notes.add(whole.place, _("The file is empty."))
        notes.raised()
        return whole
    for name, value in pairs(root, (*BOOK_FIELDS, "dimensions"), notes):
        if name == "dimensions":
            whole.inner = [dimension(node, notes) for node in items(value, name, notes)]
        else:
            put(whole, name, value, notes)
    return whole


def composed(text: str, notes: Notes) -> Node | None:
    """Return the root of the YAML `text`."""
    if broken := NO_TEXT.search(text):
        notes.add(
            line(text.count("\n", 0, broken.start())),
            _("There is a character that is no text (%(char)s): delete it."),
            char=f"U+{ord(broken[0]):04X}",
        )
        notes.raised()
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=LOADER)):
            if count > MOST:
                notes.add(at(event), _("There are too many entries for a codebook."))
                break
            if isinstance(event, yaml.AliasEvent):
                notes.add(
                    at(event),
                    _("“*%(name)s” stands for another place of the file: write out what it means."),
                    name=event.anchor,
                )
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEEPEST:
                    notes.add(at(event), _("Lists are nested too deep."))
                    break
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        notes.raised()
        return yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        found = error.problem_mark or error.context_mark
        notes.add(
            line(found.line if found else 0),
            _("This is no YAML: %(error)s."),
            error=error.problem or error.context or "",
        )
    notes.raised()
    return None


def line(index: int) -> Problem:
    """Return the place of the line `index`, which counts from 0."""
    return Problem(_("line %(line)s"), line=index + 1)


def at(node: Node | yaml.Event) -> Problem:
    """Return the place of `node`."""
    return line(node.start_mark.line if node.start_mark else 0)


def is_null(node: Node) -> bool:
    """Return whether `node` says nothing."""
    return isinstance(node, ScalarNode) and node.style is None and node.value in NULLS


def pairs(node: Node, known: tuple[str, ...], notes: Notes) -> Iterator[tuple[str, Node]]:
    """Yield the names and values of a mapping; unknown and repeated names are noted.

    No `known` means that any name may stand there.
    """
    if not isinstance(node, MappingNode):
        if not is_null(node):
            names = ", ".join(known)
            notes.add(
                at(node), _("Here must stand names with values, such as: %(names)s."), names=names
            )
        return
    seen = set()
    for key, value in node.value:
        name = key.value if isinstance(key, ScalarNode) else ""
        if known and name not in known:
            notes.add(
                at(key),
                _("“%(name)s” is not known here; known are: %(known)s."),
                name=name,
                known=", ".join(known),
            )
        elif name in seen:
            notes.add(at(key), _("“%(name)s” stands here twice."), name=name)
        else:
            seen.add(name)
            yield name, value


def items(node: Node, name: str, notes: Notes) -> list[Node]:
    """Return the members of a list."""
    if isinstance(node, SequenceNode):
        return list(node.value)
    if not is_null(node):
        notes.add(
            at(node), _("“%(name)s” must be a list: begin each member with a dash."), name=name
        )
    return []


def put(entry: Entry, name: str, node: Node, notes: Notes) -> None:
    """Keep the text of `node` as the field `name` of `entry`."""
    if not isinstance(node, ScalarNode):
        notes.add(at(node), _("“%(name)s” must be a text, not a list."), name=name)
    elif not is_null(node):
        entry.fields[name] = Cell(node.value, at(node))


def dimension(node: Node, notes: Notes) -> Entry:
    """Return the dimension at `node`."""
    entry = Entry(at(node))
    for name, value in pairs(node, (*DIMENSION_FIELDS, "scale", "codes", "wordings"), notes):
        if name == "scale":
            for end, given in pairs(value, SCALE_FIELDS, notes):
                put(entry, end, given, notes)
        elif name == "codes":
            entry.inner = [code(given, notes) for given in items(value, name, notes)]
        elif name == "wordings":
            entry.wordings = wordings(value, DIMENSION_TEXTS, notes)
        else:
            put(entry, name, value, notes)
    return entry


def code(node: Node, notes: Notes) -> Entry:
    """Return the code at `node`; one that is only a text has that as its label."""
    entry = Entry(at(node))
    if isinstance(node, ScalarNode):
        put(entry, "label", node, notes)
        return entry
    for name, value in pairs(node, (*CODE_FIELDS, "examples", "wordings"), notes):
        if name == "examples":
            examples(entry, value, notes)
        elif name == "wordings":
            entry.wordings = wordings(value, CODE_TEXTS, notes, with_examples=True)
        else:
            put(entry, name, value, notes)
    return entry


def examples(entry: Entry, node: Node, notes: Notes) -> None:
    """Keep the examples at `node`: texts, or texts with a language."""
    for member in items(node, "examples", notes):
        if isinstance(member, ScalarNode):
            if not is_null(member):
                entry.examples.append((Cell(member.value, at(member)), ""))
            continue
        example = Entry(at(member))
        for name, value in pairs(member, ("text", "language"), notes):
            put(example, name, value, notes)
        if "text" in example.fields:
            entry.examples.append((example.fields["text"], example.line("language")))


def wordings(
    node: Node, texts: tuple[str, ...], notes: Notes, *, with_examples: bool = False
) -> dict[str, Entry]:
    """Return the wordings at `node` by language."""
    found = {}
    for language, value in pairs(node, (), notes):
        entry = found[language] = Entry(at(value))
        known = (*texts, "examples") if with_examples else texts
        for name, given in pairs(value, known, notes):
            if name == "examples":
                examples(entry, given, notes)
            else:
                put(entry, name, given, notes)
    return found


def written(book: Book) -> str:
    """Return `book` as YAML."""
    content: dict[str, Any] = {"name": book.name, "language": book.language, "dimensions": []}
    for dimension in book.dimensions:
        scale = filled({name: getattr(dimension, name) for name in SCALE_FIELDS})
        codes = [
            filled(
                {name: getattr(code, name) for name in CODE_FIELDS}
                | {
                    "examples": [
                        {"text": example.text, "language": example.language}
                        for example in code.examples
                    ],
                    "wordings": {one.language: dict(one.texts) for one in code.wordings},
                }
            )
            for code in dimension.codes
        ]
        content["dimensions"].append(
            filled(
                {name: getattr(dimension, name) for name in DIMENSION_FIELDS}
                | {
                    "kind": dimension.written,
                    "scale": scale,
                    "wordings": {one.language: dict(one.texts) for one in dimension.wordings},
                    "codes": codes,
                }
            )
        )
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=100)


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `fields` that say something; whole numbers without their point."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in fields.items()
        if value not in ("", None, [], {})
    }
