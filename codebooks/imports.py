"""A codebook's file becomes a revision."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

from django.db import transaction

from codebooks.exchange import Book, CodeSpec, DimensionSpec, digest, read
from codebooks.exchange.checking import free
from codebooks.models import Code, Codebook, Dimension, Revision, Wording
from studies.audit import Action, record
from studies.models import Study
from studies.problems import Problem, _

Keys = tuple[str, str]  # of a dimension and of a code in it


@dataclass(frozen=True)
class Place:
    """Where a book goes in a study: into which codebook, after which revision, as which number."""

    name: str
    latest: Revision | None
    number: int

    @property
    def replaces(self) -> bool:
        """Whether the latest revision, which nobody uses yet, says something else from then on."""
        return self.latest is not None and self.latest.number == self.number

    @property
    def stamp(self) -> str:
        """Something that is another as soon as the place is."""
        latest = f"{self.latest.pk}:{self.latest.digest}" if self.latest else ""
        return f"{latest}:{self.number}"


def import_codebook(study: Study, path: str | Path, name: str | None = None) -> Revision:
    """Return the revision that says what the file at `path` says; again, it changes nothing.

    The codebook is the study's one of that name (the file's, if no `name` is given). A revision
    that is frozen or in use gets a successor; codes keep their GUIDs by their keys, and their keys
    by their GUIDs where another program gave them other names.
    """
    return keep(study, read(path), name)


def keep(
    study: Study,
    book: Book,
    name: str | None = None,
    *,
    stamp: str | None = None,
    source: Revision | None = None,
) -> Revision:
    """Return the revision of `study` that says what `book` says; again, it changes nothing.

    With a `stamp` of its place it is kept only there: a Problem if that is another by now. A
    `source` is the revision of another study that `book` is taken over from.
    """
    name = named(book, name)
    with transaction.atomic():
        codebook, _created = Codebook.objects.select_for_update().get_or_create(
            study=study,
            name=name,
            defaults={
                "language": book.language,
                "derived_from": source.codebook if source else None,
            },
        )
        latest = codebook.revisions.select_for_update().order_by("-number").first()
        guids = dict(guids_of(latest)) if latest else {}
        book = known_again(book, guids)
        place = place_after(name, latest)
        content = digest(book)
        same = latest is not None and latest.digest == content
        if not same and stamp is not None and stamp != place.stamp:
            raise Problem(_("Somebody changed “%(name)s” meanwhile: look at it again."), name=name)
        if codebook.language != book.language:
            codebook.language = book.language
            codebook.save(update_fields=["language"])
        if latest and same:
            return latest
        was = latest.digest if latest else ""
        if latest and place.replaces:
            latest.dimensions.all().delete()
            latest.digest = content
            latest.save(update_fields=["digest"])
            revision = latest
        else:
            revision = Revision.objects.create(
                codebook=codebook, number=place.number, digest=content
            )
        fill(revision, book, guids)
        origin = {"from": f"{source.codebook.study.slug}: {source}"} if source else {}
        record(
            study,
            None,
            Action.CODEBOOK_TAKEN_OVER if source else Action.CODEBOOK_IMPORTED,
            name,
            {"revision": latest.number, "digest": was} if latest else None,
            {"revision": revision.number, "digest": content, **origin},
        )
    return revision


def named(book: Book, name: str | None = None) -> str:
    """Return what the codebook is called: `name`, or else as `book` says."""
    name = " ".join((name or book.name).split())
    unfit = any(unicodedata.category(char) in ("Cc", "Cs") for char in name)
    if unfit or not 0 < len(name) <= 200:
        raise Problem(_("A codebook needs a name of 1 to 200 characters."))
    return name


def place_of(study: Study, book: Book, name: str | None = None) -> Place:
    """Return where `book` would go, kept now under that name."""
    name = named(book, name)
    revisions = Revision.objects.filter(codebook__study=study, codebook__name=name)
    return place_after(name, revisions.select_related("codebook").order_by("-number").first())


def place_after(name: str, latest: Revision | None) -> Place:
    """Return the place in the codebook called `name` after its latest revision."""
    if latest is None:
        return Place(name, None, 1)
    return Place(name, latest, latest.number + is_in_use(latest))


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


def known_again(book: Book, guids: dict[Keys, UUID]) -> Book:
    """Return `book` with the keys that its codes had before, by their GUIDs.

    A file of another program has no keys, so that they were made from names; a code that has got
    another name there is still the same code.
    """
    before = {str(guid): keys for keys, guid in guids.items()}
    taken = {spec.key for spec in book.dimensions}
    dimensions = []
    for spec in book.dimensions:
        guids_here = [spec.guid, *(one.guid for one in spec.codes)]
        of = {before[guid][0] for guid in guids_here if guid in before}
        key = of.pop() if len(of) == 1 and not of & taken else spec.key
        taken.add(key)
        keys = {
            one.key: code
            for one in spec.codes
            for dimension, code in [before.get(one.guid, ("", ""))]
            if dimension == key
        }
        if len(set(keys.values())) < len(keys):  # one GUID for two codes says nothing of either
            keys = {}
        for one in spec.codes:
            if one.key not in keys:
                used = set(keys.values())
                keys[one.key] = free(one.key, used) if one.key in used else one.key
        codes = (
            replace(one, key=keys[one.key], parent=keys.get(one.parent, "")) for one in spec.codes
        )
        dimensions.append(replace(spec, key=key, codes=tuple(codes)))
    return replace(book, dimensions=tuple(dimensions))


def fill(revision: Revision, book: Book, guids: dict[Keys, UUID]) -> None:
    """Give the empty `revision` the rows for `book`."""
    kept = {(spec.key, code.key) for spec in book.dimensions for code in codes_of(spec)}
    taken = {guid for keys, guid in guids.items() if keys in kept}

    def guid_for(dimension: str, code: CodeSpec) -> UUID:
        if before := guids.get((dimension, code.key)):
            return before
        own = UUID(code.guid) if code.guid else uuid4()
        given = uuid4() if own in taken else own
        taken.add(given)
        return given

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
                guid=guid_for(spec.key, code),
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
        return (CodeSpec(dimension.key, dimension.label, guid=dimension.guid),)
    return dimension.codes
