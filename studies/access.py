"""Who may open which study: a stranger is told that there is no such study."""

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _

from studies.models import Role, Study


def study_or_404(person: Any, slug: str, *roles: Role) -> Study:
    """Return the study called `slug` if `person` has one of `roles` in it (any role if none)."""
    study: Study | None = Study.objects.of(person).filter(slug=slug).first()
    if study is None or (roles and role_of(person, study) not in roles):
        raise Http404(_("There is no such study, or it is not open to you."))
    return study


def role_of(person: Any, study: Study) -> Role | None:
    """Return the role of `person` in `study`; whoever runs the site is a lead everywhere."""
    if not person.is_authenticated:
        return None
    membership = study.memberships.filter(person=person).first()
    if membership:
        return Role(membership.role)
    return Role.LEAD if person.is_superuser else None
