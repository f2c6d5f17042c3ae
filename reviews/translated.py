"""Translations beside an interview: who is offered one, and what stands beside each turn.

A translation is for reading only. Evidence is of the original, and so are all offsets; whoever
codes sees a translation when they ask for it, and not before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext as _

from reviews.models import Submission, SubmissionKind
from reviews.sampling import reads_language
from studies.models import Membership, Study, Transcript, Translation
from studies.translations import languages_of, words_of

# Assignments answered after a translation was given, or whose answer was sent once more since.
IN_SIGHT = Q(coding__isnull=False, translated_at__isnull=False) & (
    Q(answered_at__gte=F("translated_at"))
    | Exists(
        Submission.objects.filter(
            assignment=OuterRef("pk"),
            kind=SubmissionKind.ANSWER,
            sent_at__gte=OuterRef("translated_at"),
        )
    )
)


@dataclass(frozen=True)
class Beside:
    """A translation as a page shows it: where each turn starts in the original, and its words."""

    language: str
    maker: str
    machine: bool
    words: dict[int, str]

    @property
    def name(self) -> str:
        return name_of(self.language)

    @property
    def by(self) -> str:
        """Say into which language it is, and who or what made it."""
        said = {"language": self.name, "maker": self.maker}
        if self.machine:
            return _("Translated into %(language)s by a machine (%(maker)s).") % said
        return _("Translated into %(language)s by people (%(maker)s).") % said


def beside(translation: Translation, transcript: Transcript) -> Beside:
    """Return what `translation` says of the turns of `transcript` as they are cut now."""
    starts = {int(turn[0]) for turn in transcript.turns}
    words = {start: said for start, said in words_of(translation).items() if start in starts}
    return Beside(translation.language, translation.maker, translation.machine, words)


def read_by(person: int, study: Study, language: str | None = None) -> tuple[str, ...]:
    """Return what languages the person with the key `person` reads: first those said of them.

    Last comes `language`, that of the interface unless given.
    """
    rows = Membership.objects.filter(study=study, person=person)
    said = rows.values_list("reads", flat=True).first() or ()
    return *map(str, said), language or get_language() or "en"


def offered(transcripts: Iterable[Transcript], read: Sequence[str]) -> frozenset[int]:
    """Return the keys of those that whoever reads `read` does not read, and that are translated.

    It costs one look at an index, and none where all are read; no translation is loaded.
    """
    foreign = [one.pk for one in transcripts if not reads_language(read, one.language)]
    if not foreign:
        return frozenset()
    rows = Translation.objects.filter(transcript__in=foreign).order_by()
    return frozenset(rows.values_list("transcript", flat=True))


def choices(transcript: Transcript, wanted: str) -> tuple[list[tuple[str, str]], Beside | None]:
    """Return into which languages it is translated, with their names, and the `wanted` one."""
    there = languages_of(transcript)
    found = transcript.translations.filter(language=wanted).first() if wanted in there else None
    names = [(language, name_of(language)) for language in there]
    return names, beside(found, transcript) if found else None


def name_of(language: str) -> str:
    """Return what a language is called in the reader's, or its code where no name is known.

    >>> name_of("sw"), name_of("pt-BR"), name_of("qu")
    ('Swahili', 'Brazilian Portuguese', 'qu')
    """
    try:
        return str(get_language_info(language.lower())["name_translated"])
    except KeyError:
        return language
