"""A codebook's file becomes a revision."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction

from codebooks.exchange import Book, CodeSpec, DimensionSpec, digest, read
from codebooks.models import Code, Codebook, Dimension, Revision, Wording
from studies.audit import Action, record
from studies.models import Study
from studies.problems import Problem, _

Keys = tuple[str, str]  # of a dimension and of a code in it


def import_codebook(study: Study, path: str | Path, name: str | None = None) -> Revision:
    """Return the revision that says what the file at `path` says; again, it changes nothing.

    The codebook is the study's one of that name (the file's, if no `name` is given). A revision
    that is frozen or in use gets a successor; codes keep their GUIDs by their keys.
    """
    book = read(path)
    name = " ".join((name or book.name).split())
    if not 0 < len(name) <= 200:
        raise Problem(_("A codebook needs a name of 1 to 200 characters."))
    with transaction.atomic():
        codebook, _created = Codebook.objects.select_for_update().get_or_create(
            study=study, name=name, defaults={"language": book.language}
        )
        latest = codebook.revisions.select_for_update().order_by("-number").first()
        content = digest(book)
        if codebook.language != book.language:
            codebook.language = book.language
            codebook.save(update_fields=["language"])
        if latest and latest.digest == content:
            return latest
        guids = dict(guids_of(latest)) if latest else {}
        was = latest.digest if latest else ""
        if latest and not is_in_use(latest):
            latest.dimensions.all().delete()
            latest.digest = content
            latest.save(update_fields=["digest"])
            revision = latest
        else:
            revision = Revision.objects.create(
                codebook=codebook, number=latest.number + 1 if latest else 1, digest=content
            )
        fill(revision, book, guids)
        record(
            study,
            None,
            Action.CODEBOOK_IMPORTED,
            name,
            {"revision": latest.number, "digest": was} if latest else None,
            {"revision": revision.number, "digest": content},
        )
    return revision


def is_in_use(revision: Revision) -> bool:
    """Return whether `revision` is frozen or anything but its own dimensions builds on it."""
    if revision.frozen_at:
        return True
    return any(
        related.related_model._base_manager.filter(**{related.field.name: revision}).exists()
        for related in Revision._meta.related_objects
        if related.related_model is not Dimension
    )


def guids_of(revision: Revision) -> Iterator[tuple[Keys, UUID]]:
    """Yield the GUID of each code by its keys."""
    rows = Code.objects.filter(dimension__revision=revision)
    for dimension, code, guid in rows.values_list("dimension__key", "key", "guid"):
        yield (dimension, code), guid


def fill(revision: Revision, book: Book, guids: dict[Keys, UUID]) -> None:
    """Give the empty `revision` the rows for `book`."""
    for position, spec in enumerate(book.dimensions, 1):
        dimension = Dimension.objects.create(
            revision=revision,
            position=position,
            key=spec.key,
            label=spec.label,
            question=spec.question,
            kind=spec.kind,
            ordered=spec.ordered,
            minimum=spec.minimum,
            maximum=spec.maximum,
            low=spec.low,
            high=spec.high,
        )
        codes = Code.objects.bulk_create(
            Code(
                dimension=dimension,
                position=place,
                key=code.key,
                label=code.label,
                definition=code.definition,
                include=code.include,
                exclude=code.exclude,
                examples=[{"text": one.text, "language": one.language} for one in code.examples],
                color=code.color,
                guid=guids.get((spec.key, code.key)) or uuid4(),
            )
            for place, code in enumerate(codes_of(spec), 1)
        )
        by_key = {code.key: code for code in codes}
        children = []
        for code in spec.codes:
            if code.parent:
                by_key[code.key].parent = by_key[code.parent]
                children.append(by_key[code.key])
        Code.objects.bulk_update(children, ["parent"])
        Wording.objects.bulk_create(
            [
                Wording(dimension=dimension, language=one.language, texts=dict(one.texts))
                for one in spec.wordings
            ]
            + [
                Wording(code=by_key[code.key], language=one.language, texts=dict(one.texts))
                for code in spec.codes
                for one in code.wordings
            ]
        )


def codes_of(dimension: DimensionSpec) -> tuple[CodeSpec, ...]:
    """Return the codes that get rows: a scale has one, with the dimension's key."""
    if dimension.kind == "scale":
        return (CodeSpec(dimension.key, dimension.label),)
    return dimension.codes
