"""The list of a study's interviews: a page of it, cut down and sorted, without reading a text.

Pages are found by the row they begin or end with, not by counting rows, so the last one is as
quick as the first. Everything here is read from indexes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from django.db.models import CharField, Count, Exists, F, OuterRef, Q, QuerySet, TextChoices
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from .models import LanguageSource, Segment, Study, Transcript
from .search import Snippet, matching, snippets

ROWS = 50
ROWS_WITH_WORDS = 30  # each shows the words around what was looked for
MOST_COUNTED = 200  # rows of a list that is hard to count; beyond, it says "more than"
MOST_FOUND = 60  # the same of words, for which PostgreSQL reads texts where they stand in a row
LOOKED_AT = 200  # participants whose attributes are offered to cut the list down by


class Sort(TextChoices):
    """What the list is sorted by; a minus before it turns it round."""

    IMPORTED = "imported", _("order of import")
    ID = "id", _("id")
    LANGUAGE = "language", _("language")
    LENGTH = "length", _("length")


COLUMNS = {
    Sort.IMPORTED: "pk",
    Sort.ID: "external_id",
    Sort.LANGUAGE: "language",
    Sort.LENGTH: "length",
}


class State(TextChoices):
    """What was done with an interview, by whom; nothing of what they said about it."""

    CODED = "coded", _("coded by a run")
    NOT_CODED = "not_coded", _("not coded by any run")
    REVIEWED = "reviewed", _("coded by people")
    NOT_REVIEWED = "not_reviewed", _("not coded by people")


@dataclass(frozen=True)
class Asked:
    """What a reader asked the list for; every part may be empty."""

    language: str = ""
    source: str = ""
    id: str = ""
    attribute: str = ""
    value: str = ""
    state: str = ""
    text: str = ""
    sort: str = Sort.IMPORTED.value
    after: int = 0
    before: int = 0

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Asked":
        """Return what `given`, the parameters of an address, asks for; what is wrong is left out.

        >>> Asked.of({"sort": "-length", "after": "7", "language": "sw"})
        Asked(language='sw', source='', id='', attribute='', value='', state='', text='', \
sort='-length', after=7, before=0)
        >>> Asked.of({"sort": "text", "after": "-1", "id": "a\\x00b"}) == Asked(id="ab")
        True
        """
        # PostgreSQL takes no NUL, not even to look for it.
        said = {name: value.replace("\x00", "").strip() for name, value in given.items()}
        keys = {
            name: int(said[name])
            for name in ("after", "before")
            if said.get(name, "").isascii()
            and said.get(name, "").isdigit()
            and len(said[name]) < 19
        }
        texts = {
            name: said.get(name, "")[:300]
            for name in ("language", "source", "id", "attribute", "value", "text")
        }
        sort, state = said.get("sort", ""), said.get("state", "")
        return cls(
            **texts,
            state=state if state in State.values else "",
            sort=sort if sort.removeprefix("-") in Sort.values else Sort.IMPORTED.value,
            after=keys.get("after", 0),
            before=keys.get("before", 0) if "after" not in keys else 0,
        )

    @property
    def narrow_beside_text(self) -> bool:
        """Whether it asks for some of the interviews only, whatever words stand in them."""
        return any((self.language, self.source, self.id, self.state, self.attribute and self.value))

    @property
    def narrow(self) -> bool:
        """Whether it asks for some of the interviews only."""
        return self.narrow_beside_text or bool(self.text)

    @property
    def hard(self) -> bool:
        """Whether counting all that it asks for takes long."""
        return any((self.text, self.id, self.state, self.attribute and self.value))


@dataclass(frozen=True)
class Page:
    """Some interviews, and the keys with which the pages beside them begin."""

    rows: list[Transcript]
    total: int | None  # not known on later pages of what is hard to count
    more_than_total: bool
    before: int | None = None
    after: int | None = None
    snippets: dict[int, Snippet] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """How many interviews a study has, by language and by how that is known."""

    of: Mapping[tuple[str, str], int]

    @property
    def languages(self) -> list[tuple[str, int]]:
        """Each language with how many there are, by code."""
        found = Counter[str]()
        for (language, _source), number in self.of.items():
            found[language] += number
        return sorted(found.items())

    @property
    def unsure(self) -> int:
        """Of how many a person must look at the language."""
        return self.where("", LanguageSource.UNSURE)

    def where(self, language: str, source: str) -> int:
        """Return how many are in that language, known in that way; "" is every."""
        return sum(
            number
            for (said, known), number in self.of.items()
            if language in ("", said) and source in ("", known)
        )


def counts(study: Study) -> Counts:
    """Count the interviews of `study`, by one look at an index."""
    rows = study.transcripts.order_by().values_list("language", "language_source")
    return Counts(
        {(language, source): n for language, source, n in rows.annotate(number=Count("*"))}
    )


def page(study: Study, asked: Asked, counted: Counts | None = None) -> Page:
    """Return the page that `asked` asks for; `counted` where its interviews are counted already."""
    rows = ROWS_WITH_WORDS if asked.text else ROWS
    chosen = cut_down(study, asked)
    first = not (asked.after or asked.before)
    # One look finds the first page and, up to a bound, how many there are.
    bound = MOST_FOUND if asked.text else MOST_COUNTED
    most = max(bound if first and asked.hard else 0, rows) + 1
    if asked.text:
        found = matching(
            chosen, asked.text, most, asked.after, asked.before, narrow=asked.narrow_beside_text
        )
    else:
        found = _keys(chosen, asked, most)
    over = len(found) > rows
    if asked.before:
        keys, earlier, later = found[-rows:], over, True
    else:
        keys, earlier, later = found[:rows], bool(asked.after), over
    there = {
        row.pk: row
        for row in Transcript.objects.filter(pk__in=keys)
        .select_related("participant")
        .defer("text", "turns", "language_votes")
    }
    shown = [there[key] for key in keys if key in there]
    total: int | None = None
    if not asked.hard:
        total = (counted or counts(study)).where(asked.language, asked.source)
    elif first:
        total = min(len(found), bound)
    return Page(
        rows=shown,
        total=total,
        more_than_total=asked.hard and first and len(found) > bound,
        before=shown[0].pk if shown and earlier else None,
        after=shown[-1].pk if shown and later else None,
        snippets=snippets(keys, asked.text) if asked.text else {},
    )


def cut_down(study: Study, asked: Asked) -> "QuerySet[Transcript]":
    """Return the interviews of `study` that `asked` is about, but for the words they contain."""
    chosen: QuerySet[Transcript] = study.transcripts.all()
    if asked.language:
        chosen = chosen.filter(language=asked.language)
    if asked.source:
        chosen = chosen.filter(language_source=asked.source)
    if asked.id:
        chosen = chosen.filter(external_id__contains=asked.id)
    if asked.attribute and asked.value:
        # As text: 42 in a file of JSON and “42” in a table are asked for alike.
        said = Cast(KeyTextTransform(asked.attribute, "attributes"), CharField())
        people = study.participants.annotate(said=said).filter(said=asked.value)
        chosen = chosen.filter(participant__in=people.values("pk"))
    if asked.state:
        # What hangs on a segment is known to the apps above; here it is only whether it does.
        by_people = asked.state in (State.REVIEWED, State.NOT_REVIEWED)
        who = (
            Q(codings__person__isnull=False, codings__kind="blind")
            if by_people
            else Q(codings__run__isnull=False)
        )
        there = Segment.objects.filter(who)
        if asked.state in (State.CODED, State.REVIEWED):
            chosen = chosen.filter(pk__in=there.values("transcript"))
        else:  # NOT IN would have PostgreSQL ask of each one by one
            chosen = chosen.filter(~Exists(there.filter(transcript=OuterRef("pk"))))
        if asked.state == State.NOT_CODED:
            # Few, as a rule, and each has segments: those without a coding are found first, so
            # that PostgreSQL joins half as much.
            bare = Segment.objects.exclude(codings__run__isnull=False)
            chosen = chosen.filter(pk__in=bare.values("transcript"))
    return chosen


def attributes(study: Study) -> list[str]:
    """Return the names of the attributes that the first participants have, sorted."""
    rows = study.participants.order_by("pk").values_list("attributes", flat=True)[:LOOKED_AT]
    names = set(chain.from_iterable(rows))
    # What SQLite's paths into JSON can't name, or would take for a place in a list.
    return sorted(name for name in names if '"' not in name and not name.lstrip("-").isdigit())


def _keys(chosen: "QuerySet[Transcript]", asked: Asked, most: int) -> list[int]:
    """Return the keys of the first `most` rows after, or the last `most` before, the one named."""
    column = COLUMNS[Sort(asked.sort.removeprefix("-"))]
    if asked.id and column == "pk":
        column = "external_id"  # its index holds the ids; in the order of import rows would be read
    upwards = not asked.sort.startswith("-")
    backwards = bool(asked.before)
    ascending = upwards != backwards
    if edge := asked.before or asked.after:
        there = Transcript.objects.filter(pk=edge).values_list(column, flat=True).first()
        if there is not None:
            beyond = "gt" if ascending else "lt"
            chosen = chosen.filter(
                Q(**{f"{column}__{beyond}": there}) | Q(**{f"pk__{beyond}": edge})
            )
            chosen = chosen.filter(**{f"{column}__{beyond}e": there})
    order = [
        F(name).asc() if ascending else F(name).desc() for name in dict.fromkeys((column, "pk"))
    ]
    keys = list(chosen.order_by(*order).values_list("pk", flat=True)[:most])
    return keys[::-1] if backwards else keys
