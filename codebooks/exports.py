"""A revision becomes a codebook's file."""

from pathlib import Path

from codebooks.exchange import write, written
from codebooks.models import Revision
from codebooks.revisions import as_book
from studies.audit import Action, record
from studies.problems import Problem


def export_codebook(revision: Revision, path: str | Path) -> list[Problem]:
    """Write what `revision` says to `path`; return what the form of the file could not carry."""
    losses = write(as_book(revision), path)
    recorded(revision, Path(path).suffix)
    return losses


def file_of(revision: Revision, form: str, *, taken: bool = True) -> bytes:
    """Return what `revision` says as a file of that form, such as `.csv`.

    It is `taken` out of the study unless somebody asks only whether there is such a file.
    """
    content, _losses = written(as_book(revision), form)
    if taken:
        recorded(revision, form)
    return content


def recorded(revision: Revision, form: str) -> None:
    """Write in the trail who took the revision out of the study."""
    after = {"form": form.lower().removeprefix("."), "digest": revision.digest}
    record(revision.codebook.study, None, Action.CODEBOOK_EXPORTED, str(revision), after=after)
