"""What a person should look at in a run: marks without support, and words to the machine.

Nothing here changes a coding. A mark that nothing supports is kept and counted as such.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q

from coding.addressed import SIGNS, signs_in
from coding.coders import Passage
from coding.models import Evidence, Found, Mark, Run, Work

MOST_LISTED = 100
FOUND = [Found.EXACT, Found.FOLDED]


def flag(seen: Iterable[tuple[int, Passage]]) -> int:
    """Write down which pieces of work, by their keys, show signs that somebody in them speaks to
    the machine; return how many do."""
    pairs = list(seen)
    flagged: dict[str, list[int]] = {}
    found_in_all = signs_in([words_of(passage) for _work, passage in pairs])
    for (work, _passage), found in zip(pairs, found_in_all, strict=True):
        if found:
            flagged.setdefault(",".join(found), []).append(work)
    for signs, works in flagged.items():
        Work.objects.filter(pk__in=works).update(addressed=signs)
    return sum(map(len, flagged.values()))


def words_of(passage: Passage) -> str:
    """Return what is said in `passage`, without the speakers' labels: one may be “Assistant:”."""
    return "\n".join(
        passage.text[start:end]
        for start, end, _speaker, _role in passage.spoken
        if start < passage.end and end > passage.start
    )


def doubts(run: Run) -> dict[str, Any]:
    """Return what of `run` a person should look at: JSON.

    `marks` counts those that are `supported` by the participant's words, those that stand nearly
    there (`review`), and those that nothing supports: no quotation, none that was found, or only
    the interviewer's words. `addressed` are the segments that show signs of words to the machine.
    """
    evidence = Evidence.objects.filter(mark=OuterRef("pk"))
    marks = Mark.objects.filter(coding__run=run).annotate(
        good=Exists(evidence.filter(found__in=FOUND)),
        near=Exists(evidence.filter(found=Found.FUZZY)),
    )
    counts = marks.aggregate(
        total=Count("pk"),
        supported=Count("pk", filter=Q(good=True)),
        review=Count("pk", filter=Q(good=False, near=True)),
    )
    counts["unsupported"] = counts["total"] - counts["supported"] - counts["review"]
    work = Work.objects.filter(run=run).exclude(addressed="").order_by("pk")
    return {
        "marks": counts,
        "addressed": {
            "segments": work.count(),
            "rows": [
                {
                    "transcript": row.segment.transcript_id,
                    "interview": row.segment.transcript.external_id,
                    "segment": row.segment.index,
                    "language": row.segment.transcript.language,
                    "state": row.state,
                    "signs": [sign for sign in row.addressed.split(",") if sign in SIGNS],
                }
                for row in work.select_related("segment__transcript").defer(
                    "segment__transcript__text", "segment__transcript__turns"
                )[:MOST_LISTED]
            ],
        },
    }
