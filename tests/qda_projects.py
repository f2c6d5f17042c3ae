"""Projects as other programs write them, for tests."""

import uuid
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

SPACE = "urn:QDA-XML:project:1.0"
DATE = "2026-01-02T03:04:05Z"


def guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def packed(
    path: Path,
    xml: str | bytes,
    texts: Mapping[str, str | bytes] | None = None,
    *,
    qde: str = "project.qde",
    folder: str = "sources/",
) -> Path:
    """Write a project to `path`; `texts` are files of the folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (texts or {}).items():
            archive.writestr(folder + name, content)
        archive.writestr(qde, xml)
    return path


def project(*parts: str, origin: str = "Another 1.0", name: str = "Trial") -> str:
    """Return the XML of a project that holds `parts` in their order."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<Project xmlns="{SPACE}" name="{name}" origin="{origin}">\n{"".join(parts)}</Project>'
    )


def users(*names: str) -> str:
    inner = "".join(f'<User guid="{guid(name)}" name="{name}"/>\n' for name in names)
    return f"<Users>{inner}</Users>\n"


def codebook(*codes: str) -> str:
    return f"<CodeBook><Codes>{''.join(codes)}</Codes></CodeBook>\n"


def code(name: str, *inner: str, codable: bool = True) -> str:
    flag = str(codable).lower()
    return (
        f'<Code guid="{guid(name)}" name={quoteattr(name)} isCodable="{flag}">{"".join(inner)}'
        "</Code>\n"
    )


def variables(**kinds: str) -> str:
    inner = "".join(
        f'<Variable guid="{guid(name)}" name="{name}" typeOfVariable="{kind}"/>\n'
        for name, kind in kinds.items()
    )
    return f"<Variables>{inner}</Variables>\n"


def values(**said: str | int | float) -> str:
    kinds = {str: "Text", int: "Integer", float: "Float"}
    return "".join(
        f'<VariableValue><VariableRef targetGUID="{guid(name)}"/>'
        f"<{kinds[type(value)]}Value>{value}</{kinds[type(value)]}Value></VariableValue>\n"
        for name, value in said.items()
    )


def case(name: str, inner: str = "", sources: Sequence[str] = (), selections: str = "") -> str:
    refs = "".join(f'<SourceRef targetGUID="{guid(one)}"/>' for one in sources)
    return f'<Case guid="{guid("case " + name)}" name="{name}">{inner}{refs}{selections}</Case>\n'


def cases(*inner: str) -> str:
    return f"<Cases>{''.join(inner)}</Cases>\n"


def sources(*inner: str) -> str:
    return f"<Sources>{''.join(inner)}</Sources>\n"


def source(name: str, *inner: str, path: str | None = None, kind: str = "TextSource") -> str:
    """Return a source whose text is a file of the zip, `name`.txt unless `path` says else."""
    where = f"internal://{name}.txt" if path is None else path
    plain = f' plainTextPath="{where}"' if where else ""
    return f'<{kind} guid="{guid(name)}" name={quoteattr(name)}{plain}>{"".join(inner)}</{kind}>\n'


def selection(
    start: int, end: int, name: str, *given: str, description: str = "", by: str = ""
) -> str:
    memo = f"<Description>{escape(description)}</Description>" if description else ""
    user = f' creatingUser="{guid(by)}"' if by else ""
    return (
        f'<PlainTextSelection guid="{guid(f"{start} {end} {name}")}" startPosition="{start}" '
        f'endPosition="{end}" name={quoteattr(name)}{user}>{memo}{"".join(given)}'
        "</PlainTextSelection>\n"
    )


def coding(code: str, by: str = "") -> str:
    user = f' creatingUser="{guid(by)}"' if by else ""
    return (
        f'<Coding guid="{guid(f"{code} {by}")}"{user}><CodeRef targetGUID="{guid(code)}"/>'
        "</Coding>\n"
    )
