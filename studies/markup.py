"""XML that draws nothing in, and XML written as it goes; plain Python.

What is read may name no document type, so that there are no entities in it, and nothing is fetched
for it. What is written is never held, so that a file of any size takes little memory.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from .problems import Problem, _

Element = Any  # lxml's, of which its stubs say little
SAFE: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "attribute_defaults": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NoXML(Exception):
    """A file is no XML: the line, and what the parser says of it."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line = line
        self.why = why


class _Root(Exception):
    """The first element has begun: nothing can be declared any more."""


def refuse_doctype(name: str, stream: Any) -> None:
    """Raise a Problem if the XML in `stream` declares a document type; `name` is the file's.

    What is no XML at all is an ExpatError.
    """

    def declares(*_declaration: object) -> None:
        raise Problem(
            _(
                "“%(file)s” declares a document type of its own, which can draw in other files: "
                "open it and save it anew."
            ),
            file=name,
        )

    def begins(*_element: object) -> None:
        raise _Root

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declares
    parser.StartElementHandler = begins
    try:
        parser.ParseFile(stream)
    except _Root:
        return


def root_of(name: str, content: bytes) -> Element:
    """Return the root of the XML in `content`; `name` is the file's."""
    _refuse(name, io.BytesIO(content))
    try:
        return etree.fromstring(content, etree.XMLParser(**SAFE))
    except etree.XMLSyntaxError as error:
        raise _no_xml(error) from error


def elements(name: str, opened: Callable[[], IO[bytes]]) -> Iterator[tuple[str, Element]]:
    """Yield “start” or “end” with each element of the file that `opened` opens, as it is read.

    Whoever takes an element clears it once done with it (`done_with`).
    """
    with opened() as stream:
        _refuse(name, stream)
    with opened() as stream:
        try:
            yield from etree.iterparse(stream, events=("start", "end"), **SAFE)
        except etree.XMLSyntaxError as error:
            raise _no_xml(error) from error


def done_with(element: Element) -> None:
    """Give back the memory of `element`, which has been read to its end, and of those before it.

    The element itself stays where it is: the parser may still come back to it.
    """
    element.clear(keep_tail=True)
    above = element.getparent()
    while above is not None and above[0] is not element:
        del above[0]


def _refuse(name: str, stream: IO[bytes]) -> None:
    try:
        refuse_doctype(name, stream)
    except expat.ExpatError as error:
        raise NoXML(error.lineno, expat.ErrorString(error.code)) from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise NoXML(1, str(error)) from error


def _no_xml(error: Any) -> NoXML:
    return NoXML(error.lineno or 1, str(error.msg or error).partition(", line ")[0])


def local(element: Element) -> str:
    """Return the name of `element` without its namespace."""
    name = element.tag
    return name.rpartition("}")[2] if isinstance(name, str) else ""


def children(element: Element, *names: str) -> list[Element]:
    """Return the children of `element` of these names, in any namespace."""
    return [child for child in element if local(child) in names]


def text_in(element: Element, name: str) -> str:
    """Return the text of the first child of that name, "" without one."""
    return next(("".join(child.itertext()) for child in children(element, name)), "")


def guid_in(text: str | None) -> str:
    """Return the GUID in `text` as it is compared: small letters, no braces; "" if it is none.

    >>> guid_in("{0D62985D-B147-5D01-A9B5-CAE5DCD98342}"), guid_in("7")
    ('0d62985d-b147-5d01-a9b5-cae5dcd98342', '')
    """
    plain = (text or "").strip().removeprefix("{").removesuffix("}").lower()
    return plain if _GUID.fullmatch(plain) else ""


def printable(text: str) -> str:
    """Return `text` with a sign of damage for each character that XML can't hold.

    >>> printable("a\\x00b")
    'a\ufffdb'
    """
    return _NO_XML.sub("\ufffd", text)


class Markup:
    """Writes XML to a file, an element at a time; `close` leaves the file itself open."""

    def __init__(self, file: IO[bytes]) -> None:
        self.text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
        self.text.write('<?xml version="1.0" encoding="utf-8"?>\n')

    @contextmanager
    def element(self, name: str, /, **attributes: str | None) -> Iterator[None]:
        """Write the element's ends around what the block writes; None is no attribute."""
        self.text.write(f"<{name}{_attributes(attributes)}>")
        yield
        self.text.write(f"</{name}>\n")

    def leaf(self, name: str, text: str = "", /, **attributes: str | None) -> None:
        """Write an element that holds only `text`."""
        inside = escape(printable(text), {"\r": "&#13;"})
        end = f">{inside}</{name}>\n" if inside else "/>\n"
        self.text.write(f"<{name}{_attributes(attributes)}{end}")

    def close(self) -> None:
        """Write what is still to be written."""
        self.text.flush()
        self.text.detach()


def _attributes(attributes: dict[str, str | None]) -> str:
    return "".join(
        f" {name}={quoteattr(printable(value))}"
        for name, value in attributes.items()
        if value is not None
    )
