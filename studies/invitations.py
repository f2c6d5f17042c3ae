"""A link by which one person joins a study: made by a lead, good for days, once, until withdrawn.

Of the link's secret only a digest is kept, so that nobody who reads the database can join.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from .audit import Action, record
from .models import Invitation, Membership, Role, Study
from .people import checked_name, checked_reads, checked_role
from .problems import Problem, _

LASTS = timedelta(days=7)


def invite(
    study: Study, by: User, name: str, role: Role | str, reads: Iterable[str] = ()
) -> tuple[Invitation, str]:
    """Invite somebody who will be called `name`; return the invitation and its link's secret.

    `reads` are the languages they code in, none for all. A name that an import gave to a coder who
    has no account yet may be invited: whoever accepts becomes that coder.
    """
    name, role, languages = checked_name(name), checked_role(role), checked_reads(reads)
    _check_free(study, name)
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            study=study,
            name=name,
            role=role,
            reads=languages,
            digest=digest_of(secret),
            made_by=by,
            ends_at=timezone.now() + LASTS,
        )
        record(
            study,
            by,
            Action.INVITED,
            name,
            after={"role": role, "reads": languages, "ends": invitation.ends_at.isoformat()},
        )
    return invitation, secret


def digest_of(secret: str) -> str:
    """Return what is kept of a link's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def open_invitations(study: Study | None = None) -> "QuerySet[Invitation]":
    """Return the invitations that can still be accepted, of one study or of all."""
    rows = Invitation.objects.filter(
        accepted_at=None, withdrawn_at=None, ends_at__gt=timezone.now()
    ).select_related("study", "made_by")
    return rows.filter(study=study) if study else rows


def withdraw(invitation: Invitation, by: User) -> None:
    """Make the link of `invitation` lead nowhere; what was accepted stays accepted."""
    with transaction.atomic():
        rows = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None)
        if rows.update(withdrawn_at=timezone.now()):
            record(invitation.study, by, Action.INVITATION_WITHDRAWN, invitation.name)


def accept(digest: str, person: User) -> Membership:
    """Let `person`, who has an account, join with the invitation of that digest, once."""
    with transaction.atomic():
        invitation = _taken(digest)
        if invitation.study.memberships.filter(person=person).exists():
            raise Problem(
                _("You are in “%(study)s” already; the invitation is for somebody else."),
                study=invitation.study.name,
            )
        if _unclaimed(invitation.study, invitation.name):
            raise Problem(
                _(
                    "The codings of “%(name)s” wait for an account of their own: sign out, open "
                    "the link again and choose a new user name."
                ),
                name=invitation.name,
            )
        _check_free(invitation.study, invitation.name)
        membership = _join(invitation, person)
        _settle(invitation, person)
    return membership


def accept_as_new(digest: str, username: str, password: str, email: str = "") -> User:
    """Make an account and let it join; a coder whom an import made becomes that account."""
    with transaction.atomic():
        invitation = _taken(digest)
        study = invitation.study
        membership = _unclaimed(study, invitation.name)
        if membership is None:
            _check_free(study, invitation.name)
        taken = User.objects.filter(username__iexact=username)
        if membership:
            taken = taken.exclude(pk=membership.person_id)
        if taken.exists():
            raise Problem(_("The user name “%(name)s” is taken: choose another."), name=username)
        if membership:
            person = membership.person
            person.username, person.email = username, email
            person.set_password(password)
            person.save(update_fields=["username", "email", "password"])
            membership.role, membership.reads = invitation.role, invitation.reads
            membership.save(update_fields=["role", "reads"])
        else:
            person = User.objects.create_user(username, email, password)
            _join(invitation, person)
        _settle(invitation, person)
    return person


def _join(invitation: Invitation, person: User) -> Membership:
    return Membership.objects.create(
        study=invitation.study,
        person=person,
        name=invitation.name,
        role=invitation.role,
        reads=invitation.reads,
    )


def _taken(digest: str) -> Invitation:
    """Return the invitation of that digest, which nobody else can accept meanwhile."""
    found = open_invitations().select_for_update(of=("self",)).filter(digest=digest).first()
    if found is None:
        raise Problem(
            _(
                "This invitation is not good any more: it was used, withdrawn or is too old. "
                "Ask who sent it for a new one."
            )
        )
    return found


def _settle(invitation: Invitation, person: User) -> None:
    invitation.accepted_by, invitation.accepted_at = person, timezone.now()
    invitation.save(update_fields=["accepted_by", "accepted_at"])
    record(
        invitation.study,
        person,
        Action.JOINED,
        invitation.name,
        after={
            "role": invitation.role,
            "reads": invitation.reads,
            "username": person.get_username(),
            "invited_by": invitation.made_by.get_username(),
        },
    )


def _unclaimed(study: Study, name: str) -> Membership | None:
    """Return the member of that name whom an import made and nobody can sign in as."""
    member = study.memberships.select_related("person").filter(name=name).first()
    if member is None or member.person.has_usable_password() or member.person.last_login:
        return None
    # An account that is in other studies, or runs the site, is not this study's to give away.
    others = member.person.memberships.exclude(study=study).exists()
    return None if others or member.person.is_staff or member.person.is_superuser else member


def _check_free(study: Study, name: str) -> None:
    if study.memberships.filter(name=name).exists() and not _unclaimed(study, name):
        raise Problem(_("Somebody in this study is called “%(name)s” already."), name=name)
