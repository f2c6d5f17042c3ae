"""The trail of a study: who did what, when, and how it stood before and after.

A step that changes something the study relies on records it here, in its own transaction, so that
what failed leaves no trace. Rows are never changed. Passwords, links and interviews stay out of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _

from .models import Event, Study

LONGEST = 300  # characters of a value: enough for a reason, too few for an interview
UNWANTED = frozenset({"password", "token", "link", "secret", "digest_of_link", "text", "turns"})

# Who is at work in this thread, where a door knows it: a function, since few requests ask.
_at_work: ContextVar[Callable[[], Any]] = ContextVar("at_work", default=lambda: None)


class Action(models.TextChoices):
    """What is recorded, as a person reads it."""

    IMPORTED = "imported", _("interviews imported")
    TRANSLATIONS_IMPORTED = "translations_imported", _("translations imported")
    TRANSLATION_STARTED = "translation_started", _("translation started")
    WITHDRAWN = "withdrawn", _("interview withdrawn")
    LANGUAGE_CORRECTED = "language_corrected", _("language corrected")
    ROLES_CORRECTED = "roles_corrected", _("roles of speakers corrected")
    CODEBOOK_IMPORTED = "codebook_imported", _("codebook imported")
    CODEBOOK_TAKEN_OVER = "codebook_taken_over", _("codebook taken over")
    CODEBOOK_EXPORTED = "codebook_exported", _("codebook exported")
    CODEBOOK_FROZEN = "codebook_frozen", _("codebook frozen")
    RUN_STARTED = "run_started", _("run started")
    RUN_PAUSED = "run_paused", _("run paused")
    RUN_RESUMED = "run_resumed", _("run resumed")
    RUN_CANCELED = "run_canceled", _("run canceled")
    SAMPLE_DRAWN = "sample_drawn", _("sample drawn")
    ASSIGNED = "assigned", _("items assigned")
    ANSWER_CHANGED = "answer_changed", _("answer changed after it was submitted")
    CODINGS_IMPORTED = "codings_imported", _("codings imported")
    RULED = "ruled", _("ruling made")
    REPORT_MADE = "report_made", _("report made")
    EXPORTED = "exported", _("codings exported")
    STUDY_MADE = "study_made", _("study made")
    STUDY_CHANGED = "study_changed", _("settings of the study changed")
    INVITED = "invited", _("person invited")
    INVITATION_WITHDRAWN = "invitation_withdrawn", _("invitation withdrawn")
    JOINED = "joined", _("person joined")
    ADDED = "added", _("person added")
    ROLE_CHANGED = "role_changed", _("role changed")
    READS_CHANGED = "reads_changed", _("languages of a person changed")
    REMOVED = "removed", _("person removed")
    RESET_LINK_MADE = "reset_link_made", _("link for a new password made")
    KEY_SET = "key_set", _("key of a training set")


NAMES = {
    "added": _("codings with more dimensions"),
    "as_run": _("as the run"),
    "attribute": _("attribute"),
    "budget": _("budget in USD"),
    "by": _("broken down by"),
    "by_machine": _("codings by the machine"),
    "by_people": _("codings by people"),
    "changed": _("interviews with a new text"),
    "code": _("code"),
    "coder": _("coder"),
    "coders": _("coders"),
    "codes": _("codes"),
    "codings": _("codings"),
    "continues": _("continues sample"),
    "cost": _("cost in USD"),
    "created": _("new interviews"),
    "declared": _("declared"),
    "digest": _("SHA-256"),
    "ends": _("ends"),
    "evidence_required": _("a yes needs evidence"),
    "fictional": _("fictional"),
    "form": _("file"),
    "from": _("Taken over from"),
    "half_width": _("half-width of intervals"),
    "interviews": _("interviews"),
    "invited_by": _("invited by"),
    "items": _("items"),
    "languages": _("languages"),
    "left_out": _("left out"),
    "looks": _("looks"),
    "maker": _("made by"),
    "model": _("model"),
    "name": _("name"),
    "participants": _("participants"),
    "passages": _("passages"),
    "purpose": _("purpose"),
    "reads": _("reads"),
    "revision": _("revision"),
    "role": _("role"),
    "requests": _("requests"),
    "rows": _("rows"),
    "rulings": _("rulings"),
    "said": _("said"),
    "seats": _("seats"),
    "seed": _("seed"),
    "segments": _("segments"),
    "stopped": _("stopped because"),
    "strata": _("strata"),
    "translated": _("interviews translated"),
    "translated_anew": _("interviews translated anew"),
    "translations": _("translations"),
    "unit": _("unit"),
    "updated": _("interviews with other attributes"),
    "username": _("user name"),
    "value": _("value"),
    "values": _("values"),
    "why": _("why"),
}
"""What steps keep under names of ours, as a person reads them."""
NAMED_BY_DATA = frozenset(
    {Action.LANGUAGE_CORRECTED, Action.ROLES_CORRECTED, Action.ANSWER_CHANGED, Action.KEY_SET}
)
"""Actions whose before and after are named by what was said: languages, speakers, codes."""


def named(action: str, name: str) -> str:
    """Return what an event of `action` keeps under `name`, as a person reads it."""
    return name if action in NAMED_BY_DATA else str(NAMES.get(name, name))


def record(
    study: Study,
    person: Any,
    action: str,
    subject: str = "",
    before: Any = None,
    after: Any = None,
) -> Event:
    """Write down that `person` did `action` (an `Action`, or a short word) to `subject`.

    `before` and `after` are JSON values; longer texts are cut. Without a person it is whoever is
    signed in where the step was asked for, and nobody's name for what was typed in a terminal.
    """
    who = person or _at_work.get()()
    if who is not None and not who.is_authenticated:
        who = None
    return Event.objects.create(
        study=study,
        person=who,
        name=name_of(study, who) if who else "",
        action=str(action),
        subject=_cut(subject),
        before=_plain(before),
        after=_plain(after),
    )


def name_of(study: Study, person: User) -> str:
    """Return what `person` is called in `study`, or else on the site."""
    name = study.memberships.filter(person=person).values_list("name", flat=True).first()
    return str(name or person.get_username())


@contextmanager
def at_work(who: Callable[[], Any]) -> Iterator[None]:
    """Let what is recorded in the block be the deed of the person that `who` returns."""
    token = _at_work.set(who)
    try:
        yield
    finally:
        _at_work.reset(token)


def _plain(value: Any) -> Any:
    """Return `value` as JSON that is safe to keep and to show."""
    if isinstance(value, dict):
        if wrong := UNWANTED & {str(key).casefold() for key in value}:
            raise ValueError(f"The trail keeps no {', '.join(sorted(wrong))}.")
        return {str(key)[:LONGEST]: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return _cut(str(value))


def _cut(text: str) -> str:
    clean = text.replace("\x00", "")
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"
