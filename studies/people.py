"""A study and the people who work on it: steps that make them and find them by name."""

import secrets

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from .models import Membership, Role, Study
from .problems import Problem, _

NAME_LENGTH = 150


def study_named(slug: str) -> Study:
    """Return the study with the short name `slug`; a Problem names those that exist."""
    if study := Study.objects.filter(slug=slug).first():
        return study
    slugs = list(Study.objects.values_list("slug", flat=True)[:20])
    if not slugs:
        raise Problem(
            _(
                "There is no study “%(study)s”, nor any other: "
                "make it with `manage.py create_study %(study)s --name NAME`."
            ),
            study=slug,
        )
    raise Problem(
        _("There is no study “%(study)s”; the studies are: %(studies)s."),
        study=slug,
        studies=", ".join(slugs),
    )


def create_study(slug: str, name: str, *, fictional: bool = False) -> tuple[Study, bool]:
    """Return the study and whether it is new; asking again with the same name gives it back."""
    name = " ".join(name.split())
    if slugify(slug) != slug or not slug or len(slug) > 50:
        raise Problem(
            _(
                "“%(study)s” can’t be a study’s short name: it takes up to 50 small letters "
                "of English, digits and hyphens, such as “%(example)s”."
            ),
            study=slug,
            example=slugify(slug)[:50] or "my-study",
        )
    if not name or len(name) > 200:
        raise Problem(_("The study “%(study)s” needs a name of 1 to 200 characters."), study=slug)
    study, created = Study.objects.get_or_create(
        slug=slug, defaults={"name": name, "fictional": fictional}
    )
    if not created and (study.name, study.fictional) != (name, fictional):
        raise Problem(
            _("There is already a study “%(study)s”, named “%(name)s”: take another short name."),
            study=slug,
            name=study.name,
        )
    return study, created


def coder_named(study: Study, name: str) -> User:
    """Return the member of `study` called `name`, made as a coder if there is none.

    Whoever is made has no usable password, and an account of somebody outside the study is
    never taken, whatever its name.
    """
    name = _checked(name)
    if person := _member(study, name):
        return person
    try:
        with transaction.atomic():
            person = _made(study, name)
            Membership.objects.create(study=study, person=person, name=name, role=Role.CODER)
    except IntegrityError:  # somebody else made the same member just now
        if member := _member(study, name):
            return member
        raise
    return person


def add_person(study: Study, name: str, role: Role | str) -> tuple[User, str | None]:
    """Give `name` the `role` in `study`; return the person and, if it was made up here, a password.

    Who is in the study already keeps name and account; an account of that name joins the study;
    else one is made. Members whom an import made get a password the first time they are added.
    """
    name = _checked(name)
    if role not in Role.values:
        raise Problem(
            _("“%(role)s” is no role: choose one of %(roles)s."),
            role=role,
            roles=", ".join(Role.values),
        )
    with transaction.atomic():
        person = _member(study, name)
        mine = person is not None
        if person is None:
            person = User.objects.filter(username=name).first()
        if person is None:
            person, mine = _made(study, name), True
        membership, created = Membership.objects.get_or_create(
            study=study, person=person, defaults={"name": name, "role": role}
        )
        if not created and membership.role != role:
            membership.role = role
            membership.save(update_fields=["role"])
        if not mine or person.has_usable_password():
            return person, None
        password = secrets.token_urlsafe(12)
        person.set_password(password)
        person.save(update_fields=["password"])
    return person, password


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Problem(
            _("“%(name)s” can’t be a person’s name: it takes 1 to %(most)s characters."),
            name=name[:60],
            most=NAME_LENGTH,
        )
    return name


def _member(study: Study, name: str) -> User | None:
    membership = study.memberships.filter(name=name).select_related("person").first()
    return membership.person if membership else None


def _made(study: Study, name: str) -> User:
    username, number = name, 1
    while User.objects.filter(username=username).exists():
        ending = f"@{study.slug}" + (f"-{number}" if number > 1 else "")
        username, number = name[: NAME_LENGTH - len(ending)] + ending, number + 1
    return User.objects.create_user(username)
