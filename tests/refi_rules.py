"""What the REFI-QDA standard asks of a file, as rules: attributes, and children in their order."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lxml import etree

MANY = 10**9
GUID = re.compile(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def is_guid(text: str) -> bool:
    return bool(GUID.fullmatch(text))


def is_time(text: str) -> bool:
    return bool(TIME.fullmatch(text))


def is_whole(text: str) -> bool:
    return bool(re.fullmatch(r"\d+", text))


def is_text(_text: str) -> bool:
    return True


KINDS: Mapping[str, Callable[[str], bool]] = {
    "isCodable": lambda text: text in ("true", "false", "1", "0"),
    "color": lambda text: bool(re.fullmatch(r"#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})", text)),
    "startPosition": is_whole,
    "endPosition": is_whole,
    "creationDateTime": is_time,
    "modifiedDateTime": is_time,
    **dict.fromkeys(
        ("guid", "targetGUID", "creatingUser", "modifyingUser", "creatingUserGUID"), is_guid
    ),
    "typeOfVariable": lambda text: (
        text in ("Text", "Boolean", "Integer", "Float", "Date", "DateTime")
    ),
}


class Rule(NamedTuple):
    """Attributes, a mark of exclamation behind those that must be; children with least and most."""

    attributes: str
    children: tuple[tuple[str, int, int], ...] = ()


DESCRIPTION = ("Description", 0, 1)
MADE = "creatingUser creationDateTime"
TOUCHED = f"{MADE} modifyingUser modifiedDateTime"
CODEBOOK: Mapping[str, Rule] = {
    "CodeBook": Rule("origin", (("Codes", 1, 1), ("Sets", 0, 1))),
    "Codes": Rule("", (("Code", 1, MANY),)),
    "Code": Rule("guid! name! isCodable! color", (DESCRIPTION, ("Code", 0, MANY))),
    "Sets": Rule("", (("Set", 1, MANY),)),
    "Set": Rule("guid! name!", (DESCRIPTION, ("MemberCode", 0, MANY))),
    "MemberCode": Rule("guid!"),
    "Description": Rule(""),
}
PROJECT: Mapping[str, Rule] = {
    "Project": Rule(
        "name! origin creatingUserGUID creationDateTime modifyingUserGUID modifiedDateTime "
        "basePath",
        (
            *((name, 0, 1) for name in ("Users", "CodeBook", "Variables", "Cases", "Sources")),
            *((name, 0, 1) for name in ("Notes", "Links", "Sets", "Graphs", "Description")),
            ("NoteRef", 0, MANY),
        ),
    ),
    "Users": Rule("", (("User", 1, MANY),)),
    "User": Rule("guid! name id"),
    "CodeBook": Rule("", (("Codes", 1, 1),)),
    "Codes": CODEBOOK["Codes"],
    "Code": Rule(
        "guid! name! isCodable! color", (DESCRIPTION, ("NoteRef", 0, MANY), ("Code", 0, MANY))
    ),
    "Variables": Rule("", (("Variable", 1, MANY),)),
    "Variable": Rule("guid! name! typeOfVariable!", (DESCRIPTION,)),
    "Cases": Rule("", (("Case", 1, MANY),)),
    "Case": Rule(
        "guid! name",
        (
            DESCRIPTION,
            *((name, 0, MANY) for name in ("CodeRef", "VariableValue", "SourceRef")),
            ("SelectionRef", 0, MANY),
        ),
    ),
    "VariableValue": Rule(
        "",
        (
            ("VariableRef", 1, 1),
            *((name, 0, 1) for name in ("TextValue", "IntegerValue", "FloatValue")),
        ),
    ),
    "Sources": Rule("", (("TextSource", 1, MANY),)),
    "TextSource": Rule(
        f"guid! name richTextPath plainTextPath {TOUCHED}",
        (
            DESCRIPTION,
            ("PlainTextContent", 0, 1),
            *((name, 0, MANY) for name in ("PlainTextSelection", "Coding", "NoteRef")),
            ("VariableValue", 0, MANY),
        ),
    ),
    "PlainTextSelection": Rule(
        f"guid! startPosition! endPosition! name {TOUCHED}",
        (DESCRIPTION, ("Coding", 0, MANY), ("NoteRef", 0, MANY)),
    ),
    "Coding": Rule(f"guid! {MADE}", (("CodeRef", 1, 1), ("NoteRef", 0, MANY))),
    **dict.fromkeys(("CodeRef", "SourceRef", "VariableRef"), Rule("targetGUID!")),
    **dict.fromkeys(("Description", "TextValue", "IntegerValue", "FloatValue"), Rule("")),
}
SPACES = {
    "CodeBook": ("urn:QDA-XML:codebook:1.0", CODEBOOK),
    "Project": ("urn:QDA-XML:project:1.0", PROJECT),
}


def broken(content: bytes) -> list[str]:
    """Return what the standard would say against the file."""
    root = etree.fromstring(content)
    name = etree.QName(root).localname
    if name not in SPACES:
        return [f"{name} is no root"]
    space, rules = SPACES[name]
    return list(_broken(root, space, rules))


def _broken(element: Any, space: str, rules: Mapping[str, Rule]) -> Any:
    name = etree.QName(element)
    rule = rules.get(name.localname)
    if name.namespace != space or rule is None:
        yield f"{name} is no element of it"
        return
    known = {attribute.rstrip("!") for attribute in rule.attributes.split()}
    for needed in (one.rstrip("!") for one in rule.attributes.split() if one.endswith("!")):
        if needed not in element.attrib:
            yield f"{name.localname} has no {needed}"
    for attribute, value in element.attrib.items():
        if attribute not in known:
            yield f"{name.localname} has {attribute}"
        elif not KINDS.get(attribute, is_text)(value):
            yield f"{name.localname}: {attribute} is {value}"
    order = [child for child, _least, _most in rule.children]
    found = [etree.QName(child).localname for child in element]
    if strangers := set(found) - set(order):
        yield f"{name.localname} holds {strangers}"
        return
    if found != sorted(found, key=order.index):
        yield f"{name.localname} holds its children in another order: {found}"
    for child, least, most in rule.children:
        if not least <= found.count(child) <= most:
            yield f"{name.localname} holds {found.count(child)} {child}"
    if rule.children and (element.text or "").strip():
        yield f"{name.localname} holds text"
    for child in element:
        yield from _broken(child, space, rules)
