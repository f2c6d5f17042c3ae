"""A study and the people who work on it: steps that make them and find them by name."""

import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count
from unicodedata import bidirectional, combining

from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.text import slugify

from .access import leads
from .audit import Action, record
from .languages import language_named
from .models import Membership, Role, Study, Unit
from .problems import Problem, _

NAME_LENGTH = 150
SLUG_LENGTH = 50
ALIKE = 0.75
"""How much of two names is the same, from 0 to 1, where one may be a slip of the other."""
JOINERS = "\u200c\u200d"
VIRAMA = 9  # the class of signs that take a letter its vowel
UNNAMED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # what nobody can read


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


def create_study(
    slug: str,
    name: str,
    *,
    fictional: bool = False,
    unit: str | None = None,
    evidence_required: bool | None = None,
    lead: User | None = None,
) -> tuple[Study, bool]:
    """Return the study and whether it is new; asking again with the same words gives it back.

    `lead` leads it from then on, under the name they sign in with, and is never given, nor told
    the name of, a study that was there and that they don't lead.
    """
    if slugify(slug) != slug or not slug or len(slug) > SLUG_LENGTH:
        raise Problem(
            _(
                "“%(study)s” can’t be a study’s short name: it takes up to 50 small letters "
                "of English, digits and hyphens, such as “%(example)s”."
            ),
            study=slug,
            example=slugify(slug)[:SLUG_LENGTH].strip("-_") or "my-study",
        )
    name = _study_name(slug, name)
    asked: dict[str, object] = {"name": name, "fictional": fictional}
    if unit is not None:
        asked["unit"] = checked_unit(unit)
    if evidence_required is not None:
        asked["evidence_required"] = evidence_required
    with transaction.atomic():
        study, created = Study.objects.get_or_create(slug=slug, defaults=asked)
        if created:
            said = {name: value for name, value in asked.items() if name != "fictional" or value}
            record(study, None, Action.STUDY_MADE, study.slug, after=said)
            if lead:
                _made_lead(study, lead)
            return study, True
    if lead and not leads(lead, study):
        raise Problem(_("The short name “%(study)s” is taken already: choose another."), study=slug)
    if any(getattr(study, field) != value for field, value in asked.items()):
        raise Problem(
            _("There is already a study “%(study)s”, named “%(name)s”: take another short name."),
            study=slug,
            name=study.name,
        )
    return study, False


def change_study(
    study: Study,
    by: User | None,
    *,
    name: str | None = None,
    unit: str | None = None,
    evidence_required: bool | None = None,
) -> bool:
    """Change what is said about `study`, of what is given; return whether anything changed.

    What one coding is about stays once there are interviews, which are cut into segments by it.
    """
    asked: dict[str, object] = {}
    if name is not None:
        asked["name"] = _study_name(study.slug, name)
    if unit is not None:
        asked["unit"] = checked_unit(unit)
    if evidence_required is not None:
        asked["evidence_required"] = evidence_required
    with transaction.atomic():
        kept = Study.objects.select_for_update().get(pk=study.pk)
        after = {field: value for field, value in asked.items() if getattr(kept, field) != value}
        if "unit" in after and is_cut(kept):
            raise Problem(
                _("What one coding is about can’t be changed any more: there are interviews.")
            )
        before = {field: getattr(kept, field) for field in after}
        for field, value in after.items():
            setattr(kept, field, value)
            setattr(study, field, value)
        if after:
            kept.save(update_fields=list(after))
            record(study, by, Action.STUDY_CHANGED, "", before, after)
    return bool(after)


def is_cut(study: Study) -> bool:
    """Return whether interviews are, or are just being, cut into what one coding is about."""
    begun = study.uploads.filter(outcome__isnull=False, finished_at=None)
    return bool(study.transcripts.exists() or begun.exists())


def free_slug(name: str, lead: User) -> str:
    """Return a short name for a new study of `lead`, made from its name.

    A study of the same name that they lead already keeps its own: a form that was sent twice makes
    one study.
    """
    name = _plain(name)
    base = slugify(name)[: SLUG_LENGTH - 6].strip("-_") or "study"
    for number in count(1):
        slug = base if number == 1 else f"{base}-{number}"
        there = Study.objects.filter(slug=slug).first()
        if there is None or (there.name == name and leads(lead, there)):
            break
    return slug


def _study_name(slug: str, name: str) -> str:
    name = _plain(name)
    if not name or len(name) > 200:
        raise Problem(_("The study “%(study)s” needs a name of 1 to 200 characters."), study=slug)
    return name


def _plain(name: str) -> str:
    """Return the name of a study as it is kept."""
    return " ".join(UNNAMED.sub("", name).split())


def _made_lead(study: Study, person: User) -> None:
    name = person.get_username()
    Membership.objects.create(study=study, person=person, name=name, role=Role.LEAD)
    record(study, None, Action.ADDED, name, after={"role": Role.LEAD.value})


def coder_named(study: Study, name: str) -> User:
    """Return the member of `study` called `name`, made as a coder if there is none.

    Whoever is made has no usable password, and an account of somebody outside the study is
    never taken, whatever its name.
    """
    name = checked_name(name)
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


@dataclass(frozen=True)
class Newcomer:
    """A coder who was made since nobody in the study had the name; `close` are names it may be a
    slip of."""

    name: str
    close: tuple[str, ...]


def names_in(study: Study) -> frozenset[str]:
    """Return what the people of `study` are called."""
    return frozenset(study.memberships.values_list("name", flat=True))


def newcomers(known: Collection[str], names: Iterable[str]) -> list[Newcomer]:
    """Return those of `names` that are none of `known`, in their order.

    >>> newcomers({"mara", "tomas", "coder 1"}, ["mara", "Tomsa", "eva", "coder 2"])
    ... # doctest: +NORMALIZE_WHITESPACE
    [Newcomer(name='Tomsa', close=('tomas',)), Newcomer(name='eva', close=()),
     Newcomer(name='coder 2', close=())]
    """
    given = dict.fromkeys(" ".join(name.split()) for name in names)
    return [Newcomer(name, close_to(name, known)) for name in given if name not in known]


def close_to(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the names that `name` may be a slip of; whose numbers differ are two people."""
    numbers = re.findall(r"\d", name)
    folded = {one.casefold(): one for one in sorted(known) if re.findall(r"\d", one) == numbers}
    return tuple(folded[one] for one in get_close_matches(name.casefold(), folded, cutoff=ALIKE))


def add_person(study: Study, name: str, role: Role | str) -> tuple[User, str | None]:
    """Give `name` the `role` in `study`; return the person and, if it was made up here, a password.

    Who is in the study already keeps name and account; an account of that name joins the study;
    else one is made. Members whom an import made get a password the first time they are added.
    """
    name = checked_name(name)
    role = checked_role(role)
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
        if created:
            record(study, None, Action.ADDED, name, after={"role": role})
        elif membership.role != role:
            before, membership.role = membership.role, role
            membership.save(update_fields=["role"])
            record(study, None, Action.ROLE_CHANGED, name, {"role": before}, {"role": role})
        if not mine or person.has_usable_password():
            return person, None
        password = secrets.token_urlsafe(12)
        person.set_password(password)
        person.save(update_fields=["password"])
    return person, password


def change_role(study: Study, by: User | None, membership: Membership, role: Role | str) -> None:
    """Give a member another role; a study keeps a lead."""
    role = checked_role(role)
    with transaction.atomic():
        member = _held(study, membership)
        if member.role == role:
            return
        _keep_a_lead(study, member)
        before, member.role = member.role, role
        member.save(update_fields=["role"])
        record(study, by, Action.ROLE_CHANGED, member.name, {"role": before}, {"role": role})


def change_reads(
    study: Study, by: User | None, membership: Membership, reads: Iterable[str]
) -> None:
    """Say which languages a member codes in, by code or word; none means all."""
    languages = checked_reads(reads)
    with transaction.atomic():
        member = _held(study, membership)
        if member.reads == languages:
            return
        before, member.reads = member.reads, languages
        member.save(update_fields=["reads"])
        record(
            study, by, Action.READS_CHANGED, member.name, {"reads": before}, {"reads": languages}
        )


def remove(study: Study, by: User | None, membership: Membership) -> None:
    """Take a member out of the study; what they coded stays, and so does their account."""
    with transaction.atomic():
        member = _held(study, membership)
        _keep_a_lead(study, member)
        record(
            study,
            by,
            Action.REMOVED,
            member.name,
            {"role": member.role, "reads": member.reads, "username": member.person.get_username()},
        )
        member.delete()


def may_make_reset_link(by: User, person: User) -> bool:
    """Return whether `by` may make a link that lets whoever has it in as `person`.

    Whoever runs the site may for all; a lead for people who are nowhere but in studies that the
    lead leads too, since the link opens everything that is open to the person.
    """
    if by.is_superuser:
        return True
    if person.is_superuser or person.is_staff or not person.is_active:
        return False
    led = Membership.objects.filter(person=by, role=Role.LEAD).values("study")
    theirs = person.memberships.all()
    return theirs.exists() and not theirs.exclude(study__in=led).exists()


def reset_path(person: User) -> str:
    """Return the path of a page where `person` chooses a new password, once and for three days."""
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("password_reset_confirm", args=[uid, default_token_generator.make_token(person)])


def checked_unit(unit: str) -> str:
    """Return `unit` if one coding can be about it."""
    if unit not in Unit.values:
        raise Problem(
            _("“%(unit)s” is no unit of coding: choose one of %(units)s."),
            unit=unit,
            units=", ".join(Unit.values),
        )
    return unit


def checked_role(role: Role | str) -> str:
    """Return `role` if it is one."""
    if role not in Role.values:
        raise Problem(
            _("“%(role)s” is no role: choose one of %(roles)s."),
            role=role,
            roles=", ".join(Role.values),
        )
    return str(Role(role).value)


def checked_reads(reads: Iterable[str]) -> list[str]:
    """Return the codes of the languages named, sorted, each once."""
    return sorted({language_named(name) for name in reads if name.strip()})


def _held(study: Study, membership: Membership) -> Membership:
    """Return the member as it is now, with the study's people held until the transaction ends."""
    Study.objects.select_for_update().get(pk=study.pk)
    member = study.memberships.select_related("person").filter(pk=membership.pk).first()
    if member is None:
        raise Problem(_("This person is not in the study any more."))
    return member


def _keep_a_lead(study: Study, member: Membership) -> None:
    others = study.memberships.filter(role=Role.LEAD).exclude(pk=member.pk)
    if member.role == Role.LEAD and not others.exists():
        raise Problem(
            _("“%(name)s” is the only lead: make somebody else a lead first."), name=member.name
        )


def checked_name(name: str) -> str:
    """Return `name` with single spaces if a person can be called so."""
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH or not _can_be_seen(name):
        raise Problem(
            _("“%(name)s” can’t be a person’s name: it takes 1 to %(most)s characters."),
            name=name[:60],
            most=NAME_LENGTH,
        )
    return name


def _can_be_seen(name: str) -> bool:
    """Return whether nothing in `name` is invisible, but for joiners where a script needs them.

    >>> _can_be_seen("سید\u200cعلی"), _can_be_seen("രാജന്\u200d")
    (True, True)
    >>> _can_be_seen("a\u200cna"), _can_be_seen("علی\u200c"), _can_be_seen("ana\u202e")
    (False, False, False)
    """
    return all(
        one.isprintable() or (one in JOINERS and _joins(name[:at], name[at + 1 :]))
        for at, one in enumerate(name)
    )


def _joins(before: str, after: str) -> bool:
    """Return whether a joiner may stand there: between letters of the Arabic script, or beside the
    sign that takes a letter of an Indian script its vowel."""
    if before and any(combining(one) == VIRAMA for one in before[-1] + after[:1]):
        return True
    bare = before.rstrip("".join(one for one in before if combining(one)))
    return all(bidirectional(one) == "AL" for one in (bare[-1:] or " ", after[:1] or " "))


def _member(study: Study, name: str) -> User | None:
    membership = study.memberships.filter(name=name).select_related("person").first()
    return membership.person if membership else None


def _made(study: Study, name: str) -> User:
    username, number = name, 1
    while User.objects.filter(username=username).exists():
        ending = f"@{study.slug}" + (f"-{number}" if number > 1 else "")
        username, number = name[: NAME_LENGTH - len(ending)] + ending, number + 1
    return User.objects.create_user(username)
