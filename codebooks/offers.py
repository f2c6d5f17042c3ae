"""A codebook is looked at before it is kept: what it holds, what it changes, and taking it then.

Nothing lies on the server in between. The page carries the codebook itself under a seal, which
nobody but this site can make, and brings it back to be kept.
"""

from dataclasses import asdict, dataclass

from django.contrib.auth.models import User
from django.core import signing
from django.db.models import QuerySet

from codebooks.crosswalks import Crosswalk, crosswalk
from codebooks.exchange import Book, digest, from_data
from codebooks.imports import Place, guids_of, keep, known_again, place_of
from codebooks.models import Revision
from codebooks.revisions import as_book, newest_revisions
from studies.access import read_by
from studies.models import Study
from studies.problems import Problem, _

SALT = "codebooks.offers"
GOOD_FOR = 24 * 3600  # seconds
LARGEST = 2_000_000  # characters of a seal: some thousand codes, in ten languages


@dataclass(frozen=True)
class Offer:
    """A codebook that may be kept: where it would go, and against what it is compared.

    `against` is the revision it comes after, else the study's newest, None where there is none.
    """

    book: Book
    place: Place
    against: Revision | None
    crosswalk: Crosswalk | None
    same: bool
    seal: str


def offer(
    study: Study, person: User, book: Book, name: str | None = None, source: Revision | None = None
) -> Offer:
    """Return what keeping `book` would do in `study`; nothing is changed.

    A `source` is the revision of another study that `book` is taken over from.
    """
    place = place_of(study, book, name)
    if place.latest:
        book = known_again(book, dict(guids_of(place.latest)))
    against = place.latest or newest_revisions(study).first()
    said = as_book(against) if against else None
    latest = place.latest
    sealed = {
        "study": study.pk,
        "person": person.pk,
        "name": place.name,
        "stamp": place.stamp,
        "source": source.pk if source else None,
        "book": asdict(book),
    }
    seal = signing.dumps(sealed, salt=SALT, compress=True)
    if len(seal) > LARGEST:
        raise Problem(
            _(
                "This codebook is too large for a page: "
                "import it with `manage.py import_codebook %(study)s PATH`."
            ),
            study=study.slug,
        )
    return Offer(
        book=book,
        place=place,
        against=against,
        crosswalk=crosswalk(said, book) if said else None,
        same=latest is not None
        and latest.digest == digest(book)
        and latest.codebook.language == book.language,
        seal=seal,
    )


def accept(study: Study, person: User, seal: str) -> Revision:
    """Return the revision of `study` that keeps what was offered; again, it changes nothing."""
    try:
        sealed = signing.loads(seal, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature as error:
        raise outdated() from error
    if (sealed["study"], sealed["person"]) != (study.pk, person.pk):
        raise outdated()
    source = None
    if sealed["source"] is not None:
        source = sources(person, study).filter(pk=sealed["source"]).first()
        if source is None:
            raise outdated()
    book = from_data(sealed["book"])
    return keep(study, book, sealed["name"], stamp=sealed["stamp"], source=source)


def outdated() -> Problem:
    return Problem(_("What was shown is too old to be kept, or not whole: give it once more."))


def sources(person: User, study: Study) -> "QuerySet[Revision]":
    """Return the revisions of other studies that `person` leads or reads, by study."""
    return (
        Revision.objects.filter(codebook__study__in=read_by(person).exclude(pk=study.pk))
        .select_related("codebook__study")
        .order_by("codebook__study__slug", "codebook__name", "-number")
    )
