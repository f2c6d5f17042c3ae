"""The files behind the paths that a person names: folders and zips are walked; plain Python.

Nothing is unpacked to disk. Links are not followed, and an archive that would unpack to more than
it may is refused before anything in it is read.
"""

import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from .problems import Problem, _

SHEETS = frozenset({"csv", "tsv", "xlsx", "jsonl", "ndjson"})  # a row an interview
DOCUMENTS = frozenset({"txt", "md", "docx", "vtt", "srt"})  # a file an interview
PROJECTS = frozenset({"qdpx"})  # many interviews, with what is known of people
READ = SHEETS | DOCUMENTS | PROJECTS
KINDS = tuple(sorted((READ | {"zip"}) - {"ndjson"}))
READABLE = ", ".join(KINDS)

MOST_UNPACKED = 8 << 30  # bytes that one zip may hold
MOST_FILES = 500_000
MOST_RATIO = 200  # text packs to a tenth; what packs to a hundredth of this is made to fill a disk
SMALL = 10 << 20  # bytes below which a ratio says nothing


@dataclass(frozen=True, slots=True)
class Source:
    """One file with interviews; `open` gives its bytes from the start, as often as asked."""

    name: str  # as a person finds it: "wave 1/ana.txt"
    id: str  # the same without folder named and ending: "ana"
    kind: str
    size: int  # bytes
    named: bool  # by the person, rather than found in a folder or zip
    open: Callable[[], IO[bytes]] = field(repr=False, compare=False)


class Given(NamedTuple):
    """A file that a person knows by another name than the one under which it lies."""

    path: Path
    name: str


Named = str | Path | Given


class Refused(NamedTuple):
    """A file that was found, but is not read, and why."""

    name: str
    reason: Problem


def called(given: Named) -> str:
    """Return what the person who named `given` calls it."""
    return given.name if isinstance(given, Given) else str(given)


def sources(paths: Sequence[Named]) -> list[Source | Refused]:
    """Return the files behind `paths`, those of folders and zips in the order of their names.

    A path that a person named and that can't be read is a Problem; what a folder holds beside
    interviews is Refused.
    """
    if not paths:
        raise Problem(_("Name at least one file or folder with interviews."))
    found: list[Source | Refused] = []
    seen: set[Path] = set()
    for given in paths:
        path = given.path if isinstance(given, Given) else Path(given)
        name = given.name if isinstance(given, Given) else path.name
        try:
            place = path.resolve(strict=True)
            place.stat()
        except (OSError, RuntimeError, ValueError) as error:
            raise Problem(
                _("There is no file or folder “%(path)s”."), path=printable(called(given))
            ) from error
        if _damaged(name):
            raise _misnamed(name)
        if place in seen:
            continue
        seen.add(place)
        found.extend(_behind(place, name, called(given)))
    if not any(isinstance(one, Source) for one in found):
        raise nothing_in(called(paths[0]), [one for one in found if isinstance(one, Refused)])
    return found


def nothing_in(name: str, refused: Sequence[Refused]) -> Problem:
    """Return the problem that `name` holds no interviews, with the first reason if there is one."""
    if refused:
        return Problem(
            _("“%(path)s” holds no interviews that can be read; the first file: %(reason)s"),
            path=name,
            reason=refused[0].reason,
        )
    return Problem(
        _("“%(path)s” holds no interviews; put in files of these kinds: %(kinds)s."),
        path=name,
        kinds=READABLE,
    )


def _behind(place: Path, name: str, path: str) -> Iterator[Source | Refused]:
    if place.is_dir():
        yield from _in_folder(place)
        return
    if not place.is_file():
        raise Problem(_("“%(path)s” is neither a file nor a folder."), path=path)
    if not os.access(place, os.R_OK):
        raise Problem(_("“%(path)s” may not be read: ask for permission to it."), path=path)
    kind = _kind(name)
    if kind == "zip":
        yield from _in_zip(place, name, "")
    elif kind in READ:
        yield _file(place, name, PurePosixPath(name).stem, kind, named=True)
    else:
        raise _unreadable(name)


def _in_folder(folder: Path) -> Iterator[Source | Refused]:
    for directory, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not _hidden(name))
        for name in list(names):
            if (Path(directory) / name).is_symlink():  # os.walk does not go there either
                yield Refused(printable(_below(folder, Path(directory) / name)), _link(name))
        for name in sorted(files):
            path = Path(directory) / name
            below = _below(folder, path)
            kind = _kind(name)
            if _hidden(name):
                continue
            if _damaged(below):
                yield Refused(printable(below), _misnamed(below))
            elif path.is_symlink():
                yield Refused(below, _link(name))
            elif not path.is_file():
                continue  # a pipe or a device
            elif kind == "zip":
                try:
                    yield from _in_zip(path, below, str(PurePosixPath(below).with_suffix("")) + "/")
                except Problem as problem:
                    yield Refused(below, problem)
            elif kind in READ:
                identity = str(PurePosixPath(below).with_suffix(""))
                yield _file(path, below, identity, kind, named=False)
            else:
                yield Refused(below, _unreadable(name))


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _file(path: Path, name: str, identity: str, kind: str, *, named: bool) -> Source:
    return Source(name, identity, kind, path.stat().st_size, named, lambda: path.open("rb"))


def _in_zip(path: Path, name: str, before: str) -> Iterator[Source | Refused]:
    """Yield what the zip holds; `before` stands before the ids of its files."""
    try:
        archive = zipfile.ZipFile(path)
        members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Problem(
            _("“%(file)s” is no zip that can be read; pack it once more."), file=name
        ) from error
    members = [member for member in members if not _hidden_below(member.filename)]
    _refuse_bombs(name, members)
    top = _common_folder(members)
    for member in sorted(members, key=lambda member: member.filename):
        inside = f"{name}/{member.filename}"
        if problem := _suspicious(member):
            yield Refused(inside, problem)
            continue
        kind = _kind(member.filename)
        if kind in SHEETS | DOCUMENTS:
            identity = before + str(PurePosixPath(member.filename[len(top) :]).with_suffix(""))
            yield Source(inside, identity, kind, member.file_size, False, _opener(archive, member))
        elif kind in {"zip", *PROJECTS}:
            yield Refused(
                inside,
                Problem(
                    _("“%(file)s” is a zip within a zip: unpack it first."), file=member.filename
                ),
            )
        else:
            yield Refused(inside, _unreadable(member.filename))


def _opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(member)


def _refuse_bombs(name: str, members: Sequence[zipfile.ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    dense = any(
        member.file_size > SMALL and member.file_size > MOST_RATIO * max(member.compress_size, 1)
        for member in members
    )
    if unpacked > MOST_UNPACKED or len(members) > MOST_FILES or dense:
        raise Problem(
            _(
                "“%(file)s” would unpack to %(megabytes)s MB (files: %(files)s), as archives do "
                "that are made to fill a disk; unpack it yourself and name the folder."
            ),
            file=name,
            megabytes=unpacked >> 20,
            files=len(members),
        )


def _suspicious(member: zipfile.ZipInfo) -> Problem | None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return Problem(
            _("The name “%(file)s” leads out of its zip."), file=printable(member.filename)
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        return _link(member.filename)
    if member.flag_bits & 1:
        return Problem(
            _("“%(file)s” is locked with a password: unpack the zip first."), file=member.filename
        )
    return None


def _common_folder(members: Sequence[zipfile.ZipInfo]) -> str:
    tops = {member.filename.partition("/")[0] for member in members}
    whole = len(tops) == 1 and all("/" in member.filename for member in members)
    return tops.pop() + "/" if whole else ""


def _damaged(name: str) -> bool:
    """Return whether a name holds bytes that are no text, which no database can hold either."""
    return any("\ud800" <= character <= "\udfff" for character in name)


def _misnamed(name: str) -> Problem:
    return Problem(
        _("The name of the file “%(file)s” is damaged: give it another name."), file=printable(name)
    )


def _kind(name: str) -> str:
    return PurePosixPath(name).suffix.lower().lstrip(".")


def _hidden(name: str) -> bool:
    return name.startswith((".", "~$", "__MACOSX")) or name in {"Thumbs.db", "desktop.ini"}


def _hidden_below(name: str) -> bool:
    return any(_hidden(part) for part in re.split(r"[/\\]", name) if part != "..")


def printable(name: str) -> str:
    """Return `name` with a sign of damage for each character that can't be printed."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def _unreadable(name: str) -> Problem:
    return Problem(
        _("“%(file)s” is of a kind that can't be read; the kinds are: %(kinds)s."),
        file=printable(name),
        kinds=READABLE,
    )


def _link(name: str) -> Problem:
    return Problem(
        _("“%(file)s” is a link to another place, which is not followed."), file=printable(name)
    )
