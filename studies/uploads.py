"""Files with interviews that a lead sends at the site: kept, looked at, imported, forgotten.

They lie in a folder of their own that only the server may read, under numbers: nothing that a
browser said is ever part of a path. An import is done in parts of a few seconds, each of which is a
request, so that it needs no worker and can be left and come back to. What nobody has used for a day
is forgotten, with its files.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db.models import Q, QuerySet
from django.utils import timezone

from .audit import name_of
from .files import Columns, Table, parse, tables
from .imports import First, Imported, import_transcripts, look, record_import
from .models import Study, Upload
from .problems import Problem, _
from .search import index, missing
from .sources import Given, Source, printable, sources

KEPT = timedelta(days=1)
HELD = timedelta(minutes=2)  # for a part; each batch of it begins them anew
MOST = 5  # uploads of one person in a study; the oldest makes room
UNPACKED = 10  # times as much as may be sent is what it may unpack to
PART = 4.0  # seconds
LOOK = 3.0
PLACES = "places.json"


def most_bytes() -> int:
    """Return how many bytes may be sent at once."""
    return settings.CONCORD_UPLOAD_MB << 20


def too_large(study: Study) -> Problem:
    """Return what to say of files that are more than that."""
    return Problem(
        _(
            "At most %(megabytes)s MB can be sent at once, and ten times as much unpacked. Send "
            "fewer files, or import these where the site is installed: %(command)s"
        ),
        megabytes=settings.CONCORD_UPLOAD_MB,
        command=f"manage.py import_transcripts {study.slug} PATH",
    )


def keep(study: Study, person: User, files: "Sequence[File[bytes]]") -> Upload:
    """Keep `files` for `person` to look at and import; a Problem if any can't be read at all."""
    if not files:
        raise Problem(_("Choose at least one file with interviews."))
    if sum(file.size for file in files) > most_bytes():
        raise too_large(study)
    clear()
    names = [printable(Path(file.name or "").name) for file in files]
    upload = Upload(study=study, person=person, key=secrets.token_urlsafe(16), names=names)
    folder = folder_of(upload)
    _root().mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    try:
        for number, file in enumerate(files, 1):
            with (folder / str(number)).open("xb") as copy:
                for chunk in file.chunks():
                    copy.write(chunk)
        given = _given(upload)
        found = sources(given)
        if sum(one.size for one in found if isinstance(one, Source)) > UNPACKED * most_bytes():
            raise too_large(study)
        tables(given)
        upload.save()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for older in study.uploads.filter(person=person).order_by("-pk")[MOST:]:
        _forget(older)
    return upload


def columns_of(upload: Upload) -> Columns:
    """Return which columns are to be read, as the person said or else as the headers say."""
    return Columns(**upload.columns, exact=True) if upload.columns else Columns()


def choose(upload: Upload, columns: Columns) -> None:
    """Keep which columns are to be read, unless the import has begun."""
    kept = {name: getattr(columns, name) for name in ("id", "text", "language", "attributes")}
    upload.columns = kept if columns.exact else None
    untouched = Upload.objects.filter(pk=upload.pk, outcome__isnull=True)
    untouched.update(columns=upload.columns, used_at=timezone.now())


def tables_of(upload: Upload, columns: Columns | None = None) -> list[Table]:
    """Return what the columns of its tables are taken for, by default or by their headers alone."""
    return tables(_files(upload), columns or columns_of(upload))


def preview(upload: Upload) -> tuple[Imported, list[First]]:
    """Return what importing it would do, as far as a few seconds show; nothing is stored."""
    return look(upload.study, _files(upload), columns_of(upload), seconds=LOOK)


def unfinished(study: Study, person: Any, *, begun: bool = False) -> list[tuple[Upload, str]]:
    """Return what was sent to the study and is not all imported, `begun` or not yet begun, too.

    With each comes the name of who sent it, "" where that is `person`: any lead may go on with it.
    """
    rows = study.uploads.filter(finished_at=None).select_related("person")
    return [
        (upload, "" if upload.person == person else name_of(study, upload.person))
        for upload in (rows.filter(outcome__isnull=False) if begun else rows)
    ]


def imported_of(upload: Upload) -> Imported | None:
    """Return what was imported of it so far; None before the start."""
    return Imported.of(upload.outcome, {}) if upload.outcome else None


def go_on(upload: Upload, seconds: float = PART) -> None:
    """Import for about `seconds`, or make searchable what is imported; the same call goes on.

    While one is at it, another call does nothing. What was imported before it broke off counts as
    unchanged when it is met again.
    """
    if not _hold(upload):
        return
    try:
        if upload.finished_at:
            index(upload.study, seconds=PART)
        else:
            _part(upload, seconds)
    finally:
        _mine(upload).update(held_until=None)


def unsearchable(upload: Upload) -> int:
    """Return how many interviews of the study a search does not know yet."""
    return missing(upload.study).count()


def discard(upload: Upload) -> None:
    """Forget `upload` once nobody is importing it; what was imported stays, as the trail says."""
    until = time.monotonic() + 3 * PART
    while not _forget(upload):
        if time.monotonic() > until:
            raise Problem(_("These files are being imported just now; wait for a moment."))
        time.sleep(0.1)


def clear() -> None:
    """Forget what nobody has used for a day, and folders that belong to nothing."""
    old = timezone.now() - KEPT
    for upload in Upload.objects.filter(used_at__lt=old).select_related("study", "person"):
        _forget(upload)
    for folder in _root().iterdir() if _root().is_dir() else ():
        try:
            aged = folder.stat().st_mtime < old.timestamp()
        except FileNotFoundError:
            continue  # somebody else clears, too
        if aged and not Upload.objects.filter(key=folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)


def folder_of(upload: Upload) -> Path:
    """Return where its files lie."""
    return _root() / upload.key


def _root() -> Path:
    root: Path = settings.DATA_DIR / "uploads"
    return root


def _given(upload: Upload) -> list[Given]:
    folder = folder_of(upload)
    return [Given(folder / str(number), name) for number, name in enumerate(upload.names, 1)]


def _files(upload: Upload) -> list[Given]:
    """Return its files, if they are still there."""
    if not folder_of(upload).is_dir():
        raise Problem(_("These files are not kept any more: send them again."))
    return _given(upload)


def _hold(upload: Upload) -> bool:
    """Take `upload` for this call alone; return whether nobody else has it."""
    now = timezone.now()
    free = Upload.objects.filter(Q(held_until=None) | Q(held_until__lt=now), pk=upload.pk)
    if not free.update(held_until=now + HELD, used_at=now):
        return False
    upload.refresh_from_db()
    return True


def _mine(upload: Upload) -> "QuerySet[Upload]":
    """Return the row of `upload` if this call still has it."""
    return Upload.objects.filter(pk=upload.pk, held_until=upload.held_until)


def _part(upload: Upload, seconds: float) -> None:
    files, columns = _files(upload), columns_of(upload)
    if upload.outcome is None:
        parse(files, columns)  # what can't be begun is not begun
        _mine(upload).update(outcome=Imported().as_json())
        so_far = Imported()
    else:
        so_far = Imported.of(upload.outcome, _places(upload))

    def put_off(_done: int, _total: int | None) -> None:
        later = timezone.now() + HELD
        if _mine(upload).update(held_until=later, used_at=timezone.now()):
            upload.held_until = later

    imported = import_transcripts(
        upload.study,
        files,
        id_column=columns.id,
        text_column=columns.text,
        language_column=columns.language,
        attributes=columns.attributes,
        exact=columns.exact,
        advance=put_off,
        seconds=seconds,
        so_far=so_far,
    )
    if not imported.finished:
        _keep_places(upload, imported.places)
    upload.outcome = imported.as_json()
    upload.finished_at = timezone.now() if imported.finished else None
    kept = _mine(upload).update(outcome=upload.outcome, finished_at=upload.finished_at)
    if kept and imported.finished:
        shutil.rmtree(folder_of(upload), ignore_errors=True)


def _forget(upload: Upload) -> bool:
    """Remove `upload` with its files; return whether it is gone, since nobody imports it now."""
    if not _hold(upload):
        return not Upload.objects.filter(pk=upload.pk).exists()
    imported = imported_of(upload)
    if imported and not imported.finished:
        record_import(upload.study, _given(upload), imported, upload.person)
    shutil.rmtree(folder_of(upload), ignore_errors=True)
    upload.delete()
    return True


def _places(upload: Upload) -> dict[str, tuple[int, str]]:
    path = folder_of(upload) / PLACES
    kept = json.loads(path.read_text(encoding="ascii")) if path.exists() else {}
    return {identity: (number, name) for identity, (number, name) in kept.items()}


def _keep_places(upload: Upload, places: dict[str, tuple[int, str]]) -> None:
    """Write down where each id stood: whole or, if it breaks off here, as before."""
    path = folder_of(upload) / PLACES
    new = path.with_suffix(".new")
    new.write_text(json.dumps(places), encoding="ascii")
    os.replace(new, path)
