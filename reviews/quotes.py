"""The most telling quotations of a code: verified, spread over languages and groups, and allowed.

Only participants who agreed to be quoted are quoted (`Study.quotable`), only passages that stand
word for word in what they said, and none where people decided that the code does not apply.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import RowNumber

from codebooks.models import Code, Kind, Revision
from coding.models import Answer, Coding, CodingKind, Evidence, Found, Run
from reviews.models import Ruling
from reviews.rows import no_formula
from reviews.sampling import latest_run, revision_in_use
from studies.audit import Action, record
from studies.models import Participant, Study, Transcript
from studies.problems import Problem, _

EACH = 6
SHORT, LONG = 30, 350
"""Characters between which a quotation says something and can be read at a glance."""
CANDIDATES = 100
"""Passages of a code in a language that are looked at; the highest confidence comes first."""
COLUMNS = [
    *("dimension", "code", "participant", "transcript", "language", "quote", "translation"),
    *("start", "end", "said_by", "people_yes", "people_no"),
]


@dataclass(frozen=True)
class Quote:
    """A passage that shows what a code means, with who said it and who found it.

    `by_people` says that a blind coder marked it; `yes` and `no` count the people who decided
    about the code there. `translation` is for readers and was not coded.
    """

    dimension: str
    code: str
    participant: str
    attributes: Mapping[str, str]
    transcript: str
    transcript_key: int
    language: str
    text: str
    translation: str
    start: int
    end: int
    by_people: bool
    yes: int
    no: int
    confidence: float | None


def may_be_quoted(study: Study) -> QuerySet[Participant]:
    """Return the participants of `study` who agreed to be quoted; nobody where it is not said."""
    rule = study.quotable or {}
    everybody = Participant.objects.filter(study=study)
    if not rule.get("attribute") or not rule.get("values"):
        return everybody.none()
    agreed = Q()
    for value in rule["values"]:
        agreed |= Q(consent=value)
    return everybody.annotate(consent=KeyTransform(rule["attribute"], "attributes")).filter(agreed)


def allow(study: Study, attribute: str, values: Sequence[str], by: Any = None) -> int:
    """Say which value of which attribute means that a participant agreed; return how many did.

    Values are compared as the file had them; numbers and yes/no are found in either form.
    """
    before = study.quotable
    if attribute:
        said = {
            row.get(attribute)
            for row in Participant.objects.filter(study=study)
            .values_list("attributes", flat=True)
            .iterator(chunk_size=10_000)
            if attribute in row
        }
        if not said:
            raise Problem(_("No participant has an attribute “%(name)s”."), name=attribute)
        wanted = [value for value in said if str(value) in set(values)]
        if not wanted:
            raise Problem(
                _("No participant’s “%(name)s” is %(values)s; found are %(found)s."),
                name=attribute,
                values=", ".join(f"“{value}”" for value in values) or "–",
                found=", ".join(sorted(f"“{value}”" for value in said)[:10]),
            )
        study.quotable = {"attribute": attribute, "values": sorted(wanted, key=str)}
    else:
        study.quotable = {}
    study.save(update_fields=["quotable"])
    record(study, by, Action.STUDY_CHANGED, "quotable", before=before, after=study.quotable)
    return may_be_quoted(study).count()


def quotes(
    study: Study,
    *,
    revision: Revision | None = None,
    run: Run | None = None,
    dimension: str = "",
    code: str = "",
    each: int = EACH,
    spread: Sequence[str] = (),
) -> Iterator[Quote]:
    """Yield up to `each` quotations of every code (or of one), the most telling first.

    Spread over languages, then over the attributes named in `spread`, then over participants. Told
    by people comes before told by the machine, confirmed before unseen.
    """
    run = run or latest_run(study)
    revision = revision or (run.revision if run else revision_in_use(study))
    codes = (
        Code.objects.filter(dimension__revision=revision)
        .exclude(dimension__kind=Kind.SCALE)
        .select_related("dimension")
        .order_by("dimension__position", "position")
    )
    if dimension:
        codes = codes.filter(dimension__key=dimension)
    if code:
        codes = codes.filter(key=code)
    for one in codes:
        yield from chosen(candidates(study, run, revision, one), each, spread)


def candidates(study: Study, run: Run | None, revision: Revision, code: Code) -> list[Quote]:
    """Return the verified passages of `code` that may be quoted, one a place in a text."""
    verified = Evidence.objects.filter(
        mark__code=code,
        mark__answer=Answer.YES,
        found__in=(Found.EXACT, Found.FOLDED),
        mark__coding__segment__transcript__participant__in=may_be_quoted(study),
    ).filter(
        Q(mark__coding__run=run)
        | Q(mark__coding__person__isnull=False, mark__coding__kind=CodingKind.BLIND)
    )
    rows = list(
        verified.annotate(
            length=F("end") - F("start"),
            place=Window(
                RowNumber(),
                partition_by=F("mark__coding__segment__transcript__language"),
                order_by=[
                    # What people marked is rare: it is always looked at.
                    F("mark__coding__person").asc(nulls_last=True),
                    F("mark__confidence").desc(nulls_last=True),
                    "pk",
                ],
            ),
        )
        .filter(length__gte=SHORT, place__lte=CANDIDATES)
        .order_by("pk")
        .values_list(
            "mark__coding__segment_id",
            "mark__coding__segment__transcript_id",
            "start",
            "end",
            "translation",
            "mark__confidence",
            "mark__coding__person_id",
        )
    )
    segments = {row[0] for row in rows}
    said = verdicts(revision, code, segments)
    texts = _Texts({row[1] for row in rows})
    kept: dict[int, list[Quote]] = defaultdict(list)
    # People's passages first: where the machine's overlaps one, theirs stands for both.
    for segment, transcript, start, end, translation, confidence, person in sorted(
        rows, key=lambda row: row[6] is None
    ):
        yes, no = said.get(segment, (0, 0))
        if start is None or end is None or (no and no >= yes):
            continue
        if any(start < one.end and one.start < end for one in kept[transcript]):
            continue
        about = texts.about[transcript]
        quote = Quote(
            dimension=code.dimension.key,
            code=code.key,
            participant=about["participant__external_id"],
            attributes={
                name: str(value)
                for name, value in about["participant__attributes"].items()
                if value is not None
            },
            transcript=about["external_id"],
            transcript_key=transcript,
            language=about["language"],
            text=about["text"][start:end],
            translation=translation,
            start=start,
            end=end,
            by_people=person is not None,
            yes=yes,
            no=no,
            confidence=confidence,
        )
        kept[transcript].append(quote)
    return [quote for several in kept.values() for quote in several]


def verdicts(revision: Revision, code: Code, segments: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return how many people said yes and no to `code` in each segment, a ruling as the last word.

    A code that a person did not mark in a dimension they decided is a no.
    """
    wanted = list(segments)
    found: dict[int, tuple[int, int]] = {}
    for at in range(0, len(wanted), 5_000):
        some = wanted[at : at + 5_000]
        rows = (
            Coding.objects.by_people()
            .filter(revision=revision, segment__in=some)
            .annotate(
                yes=Count("marks", filter=Q(marks__code=code, marks__answer=Answer.YES)),
                unsure=Count("marks", filter=Q(marks__code=code, marks__answer=Answer.UNSURE)),
            )
            .values_list("segment_id", "dimensions", "yes", "unsure")
        )
        for segment, decided, yes, unsure in rows:
            before = found.get(segment, (0, 0))
            against = not yes and not unsure and code.dimension.key in decided
            found[segment] = (before[0] + bool(yes), before[1] + against)
        rulings = Ruling.objects.filter(code=code, item__segment__in=some)
        for segment, applies in rulings.values_list("item__segment_id", "applies"):
            if applies is not None:
                found[segment] = (1, 0) if applies else (0, 1)
    return found


def chosen(several: Sequence[Quote], each: int, spread: Sequence[str] = ()) -> list[Quote]:
    """Return up to `each` of `several`: the most telling of those least heard."""
    left = sorted(several, key=_rank)
    languages: Counter[str] = Counter()
    groups: Counter[tuple[str, ...]] = Counter()
    people: Counter[str] = Counter()
    taken: list[Quote] = []

    def heard(quote: Quote) -> tuple[int, int, int]:
        group = tuple(quote.attributes.get(name, "") for name in spread)
        return people[quote.participant], languages[quote.language], groups[group]

    while left and len(taken) < each:
        best = min(range(len(left)), key=lambda place: (heard(left[place]), place))
        quote = left.pop(best)
        taken.append(quote)
        people[quote.participant] += 1
        languages[quote.language] += 1
        groups[tuple(quote.attributes.get(name, "") for name in spread)] += 1
    return taken


def _rank(quote: Quote) -> tuple[Any, ...]:
    """Order by who stands behind a quotation, then by how readable it is."""
    readable = len(quote.text) <= LONG
    return (
        not quote.by_people,
        -(quote.yes - quote.no),
        not readable,
        -(quote.confidence if quote.confidence is not None else 0.5),
        abs(len(quote.text) - 140),
        quote.transcript,
        quote.start,
    )


class _Texts:
    """The interviews of some candidates; only those are read."""

    def __init__(self, keys: Iterable[int]) -> None:
        rows = Transcript.objects.filter(pk__in=list(keys)).values(
            "pk",
            "external_id",
            "language",
            "text",
            "participant__external_id",
            "participant__attributes",
        )
        self.about: dict[int, Any] = {row["pk"]: row for row in rows}


def write_quotes(rows: Iterable[Quote], file: IO[str]) -> int:
    """Write `rows` as csv, which with a filled column `translation` can be read back."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for one in rows:
        count += 1
        writer.writerow(
            [
                one.dimension,
                one.code,
                no_formula(one.participant),
                no_formula(one.transcript),
                one.language,
                no_formula(one.text),
                no_formula(one.translation),
                one.start,
                one.end,
                "people" if one.by_people else "machine",
                one.yes,
                one.no,
            ]
        )
    return count


def read_translations(study: Study, file: IO[str], by: Any = None) -> int:
    """Keep the translations in `file` beside the passages they are of; return how many."""
    reader = csv.DictReader(file)
    missing = {"transcript", "start", "end", "translation"} - set(reader.fieldnames or ())
    if missing:
        raise Problem(
            _("The file has no column %(names)s."),
            names=", ".join(f"“{name}”" for name in sorted(missing)),
        )
    kept = 0
    with transaction.atomic():
        for number, row in enumerate(reader, 2):
            words = (row["translation"] or "").replace("\x00", "").strip()
            if not words:
                continue
            start, end = (row["start"] or "").strip(), (row["end"] or "").strip()
            if not (start.isdecimal() and end.isdecimal()):
                raise Problem(
                    _("Line %(line)s: start and end are the numbers of the export."), line=number
                )
            name = (row["transcript"] or "").removeprefix("'")
            passages = Evidence.objects.filter(
                mark__coding__segment__transcript__study=study,
                mark__coding__segment__transcript__external_id=name,
                start=int(start),
                end=int(end),
            )
            if not passages.update(translation=words):
                raise Problem(
                    _("Line %(line)s: “%(name)s” has no passage from %(start)s to %(end)s."),
                    line=number,
                    name=name,
                    start=start,
                    end=end,
                )
            kept += 1
        record(study, by, Action.STUDY_CHANGED, "translations", after={"passages": kept})
    return kept
