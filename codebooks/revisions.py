"""Revisions of a codebook: which one holds, freezing it, and reading it as a book."""

from collections.abc import Iterable

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from codebooks.exchange import (
    Book,
    CodeSpec,
    DimensionSpec,
    Example,
    WordingSpec,
    digest,
    settled,
)
from codebooks.exchange.books import CODE_TEXTS, DIMENSION_TEXTS, kind_named
from codebooks.models import Code, Dimension, Kind, Revision, Wording
from studies.audit import Action, record
from studies.models import Study
from studies.problems import Problem, _

__all__ = ["as_book", "current_revision", "digest", "freeze", "newest_revisions"]


def current_revision(study: Study) -> Revision:
    """Return the newest revision of the study's codebooks; a Problem says how to get one."""
    revision = newest_revisions(study).first()
    if revision is None:
        raise Problem(
            _(
                "The study “%(study)s” has no codebook yet: "
                "bring one in on its page Codebook, or with "
                "`manage.py import_codebook %(study)s PATH`."
            ),
            study=study.slug,
        )
    return revision


def newest_revisions(study: Study) -> "QuerySet[Revision]":
    """Return the revisions of the study's codebooks, the newest first."""
    rows = Revision.objects.filter(codebook__study=study).select_related("codebook")
    return rows.order_by("-created_at", "-pk")


def freeze(revision: Revision) -> Revision:
    """Return `revision`, from now on unchangeable; freezing it again does no harm."""
    if revision.frozen_at is None:
        if not revision.dimensions.exists():
            raise Problem(
                _("“%(revision)s” has no dimensions, so nobody can code with it: import them."),
                revision=revision,
            )
        frozen = Revision.objects.filter(pk=revision.pk, frozen_at=None)
        if frozen.update(frozen_at=timezone.now()):
            study, name = revision.codebook.study, str(revision)
            record(study, None, Action.CODEBOOK_FROZEN, name, after={"digest": revision.digest})
        revision.refresh_from_db(fields=["frozen_at"])
    return revision


def as_book(revision: Revision) -> Book:
    """Return what `revision` says, ready to be written to a file."""
    codebook = revision.codebook
    dimensions = revision.dimensions.order_by("position").prefetch_related(
        "wordings",
        Prefetch("codes", Code.objects.order_by("position").select_related("parent")),
        "codes__wordings",
    )
    return settled(
        Book(
            name=codebook.name,
            language=codebook.language,
            dimensions=tuple(
                dimension_spec(dimension, codebook.language) for dimension in dimensions
            ),
        )
    )


def dimension_spec(dimension: Dimension, language: str) -> DimensionSpec:
    """Return a dimension as plain data; the one code of a scale is the dimension itself."""
    scale = dimension.kind == Kind.SCALE
    rows = dimension.codes.all()
    codes = () if scale else tuple(code_spec(code, language) for code in rows)
    return DimensionSpec(
        key=dimension.key,
        label=dimension.label,
        kind=kind_named(dimension.kind) or "many",
        question=dimension.question,
        minimum=dimension.minimum if scale else None,
        maximum=dimension.maximum if scale else None,
        low=dimension.low,
        high=dimension.high,
        codes=codes,
        wordings=wording_specs(dimension.wordings.all(), DIMENSION_TEXTS),
        ordered=dimension.ordered,
        guid=next((str(code.guid) for code in rows), "") if scale else "",
    )


def code_spec(code: Code, language: str) -> CodeSpec:
    """Return a code as plain data."""
    return CodeSpec(
        key=code.key,
        label=code.label,
        definition=code.definition,
        include=code.include,
        exclude=code.exclude,
        examples=tuple(
            Example(example["text"], example.get("language") or language)
            for example in code.examples
        ),
        parent=code.parent.key if code.parent else "",
        color=code.color,
        wordings=wording_specs(code.wordings.all(), CODE_TEXTS),
        guid=str(code.guid),
    )


def wording_specs(wordings: Iterable[Wording], names: tuple[str, ...]) -> tuple[WordingSpec, ...]:
    """Return wordings as plain data."""
    return tuple(
        WordingSpec(
            wording.language,
            tuple((name, wording.texts[name]) for name in names if wording.texts.get(name)),
        )
        for wording in wordings
    )
