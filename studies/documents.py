"""The text of files that hold one interview each: txt, md, docx, vtt, srt; plain Python."""

import html
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.parsers import expat

import srt
import webvtt

from .encodings import encoding_of
from .languages import guess
from .markup import refuse_doctype
from .problems import Problem, _
from .sources import Source

MOST_BYTES = 64 << 20  # of one interview, unpacked
MOST_RATIO = 200


class Document(NamedTuple):
    """A text, or who said what where the file itself says so, and the encoding it was read in."""

    text: str
    talk: list[tuple[str, str]] | None = None  # (speaker, words), "" for nobody named
    encoding: str = "utf-8"


def read(source: Source) -> Document:
    """Return what `source` holds; a Problem says why it can't be had."""
    data = content(source)
    if source.kind == "docx":
        return Document(_docx(source.name, data))
    text, encoding = decoded(source.name, data)
    if source.kind == "vtt":
        return Document("", _vtt(source.name, text), encoding)
    if source.kind == "srt":
        return Document("", _srt(source.name, text), encoding)
    return Document(text, None, encoding)


def decoded(name: str, data: bytes) -> tuple[str, str]:
    """Return the text in `data` and its encoding; a Problem says that it is none."""
    encoding = encoding_of(io.BytesIO(data), guess)
    if problem := not_text(name, data, encoding):
        raise problem
    errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return data.decode(encoding, errors), encoding


def content(source: Source) -> bytes:
    """Return the bytes of `source`, unless they are too many for one interview."""
    with source.open() as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Problem(
            _("“%(file)s” is larger than %(megabytes)s MB, which no single interview is."),
            file=source.name,
            megabytes=MOST_BYTES >> 20,
        )
    return data


def check_office(name: str, file: Any, most: int = MOST_BYTES) -> None:
    """Refuse an office file that is locked, damaged, packed to burst, or declares XML entities."""
    if file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise Problem(
            _(
                "“%(file)s” is locked with a password or saved by an old version of Office: "
                "open it and save it anew without a password."
            ),
            file=name,
        )
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > most or any(
            part.file_size > 10 << 20 and part.file_size > MOST_RATIO * max(part.compress_size, 1)
            for part in parts
        ):
            raise Problem(
                _("“%(file)s” unpacks to more than %(megabytes)s MB: save it as CSV or text."),
                file=name,
                megabytes=most >> 20,
            )
        for part in parts:
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as stream:
                    refuse_doctype(name, stream)
    except (zipfile.BadZipFile, expat.ExpatError, OSError, RuntimeError, ValueError) as error:
        raise damaged(name) from error
    except NotImplementedError as error:
        raise damaged(name) from error
    file.seek(0)


def damaged(name: str) -> Problem:
    """Return the problem that a file is not what its name says."""
    return Problem(
        _("“%(file)s” is damaged or not what its name says: open it and save it anew."), file=name
    )


def not_text(name: str, data: bytes, encoding: str) -> Problem | None:
    """Return the problem that `data`, read as `encoding`, is a picture or such; None if it is not.

    >>> str(not_text("a.csv", b"id,text", "utf-8")), str(not_text("a.txt", b"%PDF-1.7", "utf-8"))
    ('None', '“a.txt” holds no plain text although its name says so: save it as text.')
    """
    if encoding.startswith(("utf-16", "utf-32")):
        return None  # half of whose bytes look like control characters
    start = data[:1000]
    foreign = start.startswith((b"%PDF", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"{\\rtf", b"\x89PNG"))
    controls = len(re.findall(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]", start))
    if foreign or controls > len(start) // 10:
        return Problem(
            _("“%(file)s” holds no plain text although its name says so: save it as text."),
            file=name,
        )
    return None


def _docx(name: str, data: bytes) -> str:
    # Imported here: the package takes a moment that no other command should wait for.
    import docx
    from docx.opc.exceptions import OpcError

    file = io.BytesIO(data)
    check_office(name, file)
    try:
        body = docx.Document(file).element.body
    except (OpcError, KeyError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise damaged(name) from error
    except Exception as error:  # lxml's own errors derive from SyntaxError
        if isinstance(error, SyntaxError):
            raise damaged(name) from error
        raise
    return "\n".join(_blocks(body))


_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SKIPPED = frozenset(
    {_W + tag for tag in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "sectPr")}
    | {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
)
_SIGNS = {_W + "tab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "\u2011"}


def _blocks(element: Any) -> Iterator[str]:
    """Yield the text of each paragraph and table row below `element`, inserted words included."""
    for child in element:
        if child.tag == _W + "p":
            yield _words(child)
        elif child.tag == _W + "tr":
            yield _row(child)
        elif isinstance(child.tag, str) and child.tag not in _SKIPPED:
            yield from _blocks(child)


def _words(element: Any) -> str:
    said = []
    for child in element:
        if child.tag == _W + "t":
            said.append(child.text or "")
        elif sign := _SIGNS.get(child.tag):
            said.append(sign)
        elif isinstance(child.tag, str) and child.tag not in _SKIPPED:
            said.append(_words(child))
    return "".join(said)


def _row(row: Any) -> str:
    """Return a table's row as a turn: what stands before the last cell says who and when."""
    cells = ["\n".join(_blocks(cell)).strip() for cell in row if cell.tag == _W + "tc"]
    cells = [cell for cell in cells if cell]
    if len(cells) < 2:
        return "".join(cells)
    label = " ".join(cells[:-1])
    if "\n" in label or len(label) > 60:
        return "\n".join(cells)
    return f"{label.rstrip(':')}: {cells[-1]}"


_VOICE = re.compile(r"<v(?:\.[^\s>]+)*\s+([^>]+)>")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def _vtt(name: str, text: str) -> list[tuple[str, str]]:
    try:
        cues = webvtt.from_string(text.lstrip("\ufeff")).captions
    except (webvtt.errors.MalformedFileError, webvtt.errors.MalformedCaptionError) as error:
        raise Problem(
            _("“%(file)s” is no WebVTT file: its first line must say WEBVTT, its times 00:00.000."),
            file=name,
        ) from error
    said: list[tuple[str, str]] = []
    for cue in cues:
        before, *voices = _VOICE.split(cue.raw_text)
        said.append(("", _spoken(before)))
        for voice, words in zip(voices[::2], voices[1::2], strict=True):
            said.append((" ".join(html.unescape(voice).split()), _spoken(words)))
    return _merged(said)


def _srt(name: str, text: str) -> list[tuple[str, str]]:
    try:
        cues = list(srt.parse(text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")))
    except (srt.SRTParseError, srt.TimestampParseError, ValueError) as error:
        raise Problem(
            _("“%(file)s” is no SRT file: a subtitle in it has no number or no times."), file=name
        ) from error
    if not cues and text.strip():
        raise Problem(
            _("“%(file)s” is no SRT file: a subtitle in it has no number or no times."), file=name
        )
    return _merged([("", _spoken(cue.content)) for cue in cues])


def _spoken(words: str) -> str:
    return html.unescape(_TAG.sub("", words)).strip()


def _merged(said: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return `said` with what one voice says in a row joined; without a voice, lines stay lines."""
    merged: list[tuple[str, str]] = []
    for speaker, words in said:
        if not words:
            continue
        if merged and merged[-1][0] == speaker:
            gap = " " if speaker else "\n"
            words = " ".join(words.split("\n")) if speaker else words
            merged[-1] = (speaker, merged[-1][1] + gap + words)
        else:
            merged.append((speaker, " ".join(words.split("\n")) if speaker else words))
    return merged
