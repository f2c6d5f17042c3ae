"""Who may open which study: a stranger is told that there is no such study."""

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _

from studies.models import Membership, Role, Study, StudyQuerySet


def study_or_404(person: Any, slug: str, *roles: Role) -> Study:
    """Return the study called `slug` if `person` has one of `roles` in it (any role if none)."""
    study: Study | None = Study.objects.of(person).filter(slug=slug).first()
    if study is None or (roles and role_of(person, study) not in roles):
        raise Http404(_("There is no such study, or it is not open to you."))
    return study


def leads(person: Any, study: Study) -> bool:
    """Return whether `person` is a lead of `study` by name, rather than as who runs the site."""
    return study.memberships.filter(person=person, role=Role.LEAD).exists()


def may_make_studies(person: Any) -> bool:
    """Return whether `person` may begin a study: by Django's permission, or leading one already."""
    if not person.is_authenticated:
        return False
    led = Membership.objects.filter(person=person, role=Role.LEAD)
    return bool(person.has_perm("studies.add_study")) or led.exists()


def role_of(person: Any, study: Study) -> Role | None:
    """Return the role of `person` in `study`; whoever runs the site is a lead everywhere."""
    if not person.is_authenticated:
        return None
    membership = study.memberships.filter(person=person).first()
    if membership:
        return Role(membership.role)
    return Role.LEAD if person.is_superuser else None


def read_by(person: Any) -> StudyQuerySet:
    """Return the studies that `person` sees all of: as a lead or a reader, not as a coder."""
    studies: StudyQuerySet = Study.objects.of(person)
    if person.is_authenticated and not person.is_superuser:
        coded = person.memberships.filter(role=Role.CODER)
        studies = studies.exclude(pk__in=coded.values("study"))
    return studies
