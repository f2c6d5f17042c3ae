"""XML is read without drawing anything in, and as it comes; what is written is XML."""

import io
from collections.abc import Callable
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from studies.labelled import Form, Part
from studies.markup import Markup, NoXML, done_with, elements, local, root_of
from studies.problems import Problem


def opening(content: bytes) -> Callable[[], IO[bytes]]:
    return lambda: io.BytesIO(content)


def test_a_long_file_is_never_held_whole() -> None:
    content = b"<a>" + b"<b><c>text</c></b>" * 20_000 + b"</a>"
    held = read = 0
    for event, element in elements("a.xml", opening(content)):
        if event == "end" and local(element) == "b":
            read += 1
            held = max(held, len(element.getparent()))
            done_with(element)
    assert read == 20_000
    assert held < 5000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_document_type_is_refused_in_every_encoding(encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    for read in (
        lambda: root_of("a.xml", content.encode(encoding)),
        lambda: list(elements("a.xml", opening(content.encode(encoding)))),
    ):
        with pytest.raises(Problem, match=r"“a\.xml” declares a document type of its own"):
            read()


@pytest.mark.parametrize("content", [b"", b"<a>", b"text", b"<a>&b;</a>", b"\x00<a/>"])
def test_what_is_no_xml_says_where(content: bytes) -> None:
    with pytest.raises(NoXML) as caught:
        root_of("a.xml", content)
    assert caught.value.line == 1
    assert caught.value.why


@given(st.text(), st.text())
def test_what_is_written_reads_the_same_but_for_what_xml_cannot_hold(text: str, name: str) -> None:
    file = io.BytesIO()
    markup = Markup(file)
    with markup.element("a", xmlns="urn:x", name=name, color=None):
        markup.leaf("b", text)
    markup.close()
    root = etree.fromstring(file.getvalue())
    assert list(root.attrib) == ["name"]
    for before, after in ((text, root[0].text or ""), (name, root.get("name") or "")):
        assert len(before) == len(after)
        assert all(one in (other, "\ufffd") for one, other in zip(after, before, strict=True))


LABELS = ["USE", "SAY", "LABEL"]
FORM = Form(LABELS, ["EXAMPLES?"])
LINES = st.sampled_from(
    ["USE: x", "> USE: x", "> > SAY (de): y", "Example: z", "> z", "a", "", "use: x", "USE it"]
)


@given(
    st.lists(
        st.builds(
            Part,
            st.sampled_from([*LABELS, "EXAMPLE"]),
            st.sampled_from(["", "de", "zh-Hant"]),
            st.lists(LINES, min_size=1, max_size=4).map("\n".join).map(str.strip).filter(bool),
        ),
        max_size=4,
    )
)
def test_labelled_texts_come_back_as_they_were(parts: list[Part]) -> None:
    assert FORM.read(FORM.written(parts)) == parts
