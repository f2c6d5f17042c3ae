"""What a person corrects in transcripts: their language, and who speaks in them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet

from .audit import Action, record
from .languages import normalise
from .models import LanguageSource, Segment, Study, Transcript, Unit
from .problems import Problem, _
from .turns import INTERVIEWER, PARTICIPANT, Turn, answers, key, with_roles

ROLES = (INTERVIEWER, PARTICIPANT)
BATCH = 500


def correct_language(transcripts: "QuerySet[Transcript]", language: str) -> int:
    """Set the language of `transcripts` and return how many that changed; again changes none."""
    code = normalise(language)
    if not code:
        raise Problem(
            _("“%(language)s” is no known language: give its code, such as “pt”."),
            language=language,
        )
    wrong = transcripts.exclude(language=code, language_source=LanguageSource.CORRECTED)
    with transaction.atomic():
        before = {
            study: dict(wrong.filter(study=study).values_list("language").annotate(Count("pk")))
            for study in Study.objects.filter(pk__in=wrong.values("study"))
        }
        changed = wrong.update(language=code, language_source=LanguageSource.CORRECTED)
        for study, languages in before.items():
            counted = sum(languages.values())
            record(study, None, Action.LANGUAGE_CORRECTED, "", languages, {code: counted})
    return changed


def speakers(study: Study) -> list[dict[str, Any]]:
    """Return each label with its role, in how many interviews and turns, the most frequent first.

    Where interviews disagree about the role, it is that of most turns, and `mixed` is true.
    """
    turns: Counter[str] = Counter()
    interviews: Counter[str] = Counter()
    roles: dict[str, Counter[str]] = {}
    for _pk, said in _turns(study):
        labels = set()
        for turn in with_roles(said, study.speaker_roles):
            if turn.speaker:
                turns[turn.speaker] += 1
                labels.add(turn.speaker)
                roles.setdefault(turn.speaker, Counter())[turn.role] += 1
        interviews.update(labels)
    return [
        {
            "label": label,
            "role": roles[label].most_common(1)[0][0],
            "mixed": len(roles[label]) > 1,
            "interviews": interviews[label],
            "turns": count,
        }
        for label, count in sorted(turns.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def correct_roles(study: Study, roles: Mapping[str, str]) -> int:
    """Give the speakers of all the study's interviews these roles; return how many read otherwise.

    Where each answer is coded for itself, answers are cut anew; that is refused once any of them
    is in use, for the codings would then be about other words.
    """
    given = _checked(roles)
    before = dict(study.speaker_roles)
    keys = {key(label) for label in given}
    after = {label: role for label, role in before.items() if key(label) not in keys} | given

    labels: dict[str, str] = {}
    other = 0
    cut: list[int] = []
    for pk, said in _turns(study):
        labels.update({key(str(turn[2])): str(turn[2]) for turn in said if turn[2]})
        was, now = with_roles(said, before), with_roles(said, after)
        other += was != now
        if study.unit == Unit.ANSWER and answers(was) != answers(now):
            cut.append(pk)
    if strangers := [label for label in given if key(label) not in labels]:
        raise Problem(
            _("Nobody in “%(study)s” speaks as “%(label)s”; the speakers are %(labels)s."),
            study=study.slug,
            label=strangers[0],
            labels=", ".join(sorted(labels.values())[:20]) or "–",
        )
    with transaction.atomic():
        for start in range(0, len(cut), BATCH):
            _cut_anew(study, cut[start : start + BATCH], after)
        study.speaker_roles = after
        study.save(update_fields=["speaker_roles"])
        if before != after:
            record(study, None, Action.ROLES_CORRECTED, ", ".join(given), before, after)
    return other


def _checked(roles: Mapping[str, str]) -> dict[str, str]:
    given = {}
    for label, role in roles.items():
        if role not in ROLES:
            raise Problem(
                _("“%(role)s” is no role of a speaker: choose one of %(roles)s."),
                role=role,
                roles=", ".join(ROLES),
            )
        if label.strip():
            given[label.strip()] = role
    return given


def _cut_anew(study: Study, pks: list[int], roles: Mapping[str, str]) -> None:
    transcripts = study.transcripts.filter(pk__in=pks)
    if used := transcripts.in_use().count():
        raise Problem(
            _(
                "Answers of %(count)s interviews are already coded, so that nobody’s role in "
                "“%(study)s” can change where that would cut them differently."
            ),
            count=used,
            study=study.slug,
        )
    Segment.objects.filter(transcript__in=pks).delete()
    Segment.objects.bulk_create(
        Segment(transcript_id=pk, index=index, start=start, end=end)
        for pk, said in transcripts.values_list("pk", "turns")
        for index, (start, end) in enumerate(answers(with_roles(said, roles)), 1)
    )


def _turns(study: Study) -> Iterator[tuple[int, list[Turn]]]:
    rows = study.transcripts.order_by("pk").values_list("pk", "turns")
    yield from rows.iterator(chunk_size=BATCH)
