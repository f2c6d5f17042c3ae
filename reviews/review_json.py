"""What the review screen's API takes and gives, as JSON: questions, answers, what is known of them.

Answers are read by hand: there are many in a request, and a nested serializer takes long.
"""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from codebooks.models import Revision
from reviews.models import Assignment, Purpose, SkipReason
from reviews.questions import Answers, Question, Range, Said
from reviews.reviewing import Kept, as_data, skip_reason
from reviews.second_looks import Verdict, has_second_look
from reviews.training import Compared
from reviews.translated import Beside
from studies.problems import Problem, _

MOST_KEYS = 50  # assignments in one request
MOST_SAID = 2_000  # codes in one answer
MOST_PASSAGES = 200  # for one code
LARGEST = 2**31 - 1
UNREADABLE = _("The answers can’t be read.")


class NextRequest(serializers.Serializer[Any]):
    have = serializers.ListField(
        child=serializers.IntegerField(min_value=1), default=list, max_length=MOST_KEYS
    )
    want = serializers.IntegerField(min_value=1, max_value=3, default=1)


class Several(serializers.Serializer[Any]):
    assignments = serializers.ListField(
        child=serializers.IntegerField(min_value=1), max_length=MOST_KEYS
    )


class DraftRequest(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=0, max_value=LARGEST)
    draft = serializers.JSONField(allow_null=True)


class SaidRequest(serializers.Serializer[Any]):
    dimension = serializers.CharField()
    code = serializers.CharField()
    answer = serializers.CharField(default="yes")
    value = serializers.FloatField(required=False, allow_null=True)
    passages = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        required=False,
    )


class AnswersRequest(serializers.Serializer[Any]):
    said = SaidRequest(many=True)
    decided = serializers.ListField(child=serializers.CharField())
    left = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField(required=False, allow_blank=True)
    confidence = serializers.IntegerField(required=False, allow_null=True)


@extend_schema_field(AnswersRequest)
class AnswersField(serializers.Field[Answers, Any, Any, Any]):
    """Answers as `answers_in` reads them, in a fraction of a nested serializer's time."""

    def to_internal_value(self, data: Any) -> Answers:
        return answers_in(data)


class AnswerRequest(serializers.Serializer[Any]):
    client_id = serializers.UUIDField()
    version = serializers.IntegerField(min_value=0, max_value=LARGEST)
    seconds = serializers.IntegerField(
        min_value=0, max_value=LARGEST, required=False, allow_null=True
    )
    answers = AnswersField()


class SkipRequest(serializers.Serializer[Any]):
    client_id = serializers.UUIDField()
    why = serializers.CharField(max_length=1_000)
    note = serializers.CharField(max_length=10_000, default="", allow_blank=True)


class FlagRequest(serializers.Serializer[Any]):
    why = serializers.CharField(max_length=1_000, allow_blank=True)


def answers_in(data: Any) -> Answers:
    """Return answers as they were sent, or raise a Problem; the step says whether they fit."""
    if not isinstance(data, dict):
        raise Problem(UNREADABLE)
    said = data.get("said", [])
    confidence, note = data.get("confidence"), data.get("note") or ""
    if not isinstance(said, list) or len(said) > MOST_SAID or not isinstance(note, str):
        raise Problem(UNREADABLE)
    if confidence is not None and not is_whole(confidence):
        raise Problem(UNREADABLE)
    return Answers(
        tuple(said_in(one) for one in said),
        frozenset(names_in(data.get("decided", []))),
        frozenset(names_in(data.get("left", []))),
        note,
        confidence,
    )


def said_in(data: Any) -> Said:
    if not isinstance(data, dict):
        raise Problem(UNREADABLE)
    dimension, code, answer = data.get("dimension"), data.get("code"), data.get("answer", "yes")
    value, passages = data.get("value"), data.get("passages") or []
    if (
        not isinstance(dimension, str)
        or not isinstance(code, str)
        or not isinstance(answer, str)
        or not (value is None or (isinstance(value, int | float) and not isinstance(value, bool)))
        or not isinstance(passages, list)
        or len(passages) > MOST_PASSAGES
    ):
        raise Problem(UNREADABLE)
    number = None if value is None else float(value) if abs(value) < LARGEST else float("inf")
    return Said(dimension, code, answer, number, tuple(map(passage_in, passages)))


def passage_in(data: Any) -> Range:
    if not isinstance(data, list) or len(data) != 2 or not all(map(is_whole, data)):
        raise Problem(UNREADABLE)
    return data[0], data[1]


def names_in(data: Any) -> Iterable[str]:
    if not isinstance(data, list) or not all(isinstance(one, str) for one in data):
        raise Problem(UNREADABLE)
    return data


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST


def digest_of(revision: Revision) -> str:
    return f"{revision.pk}-{revision.digest[:16]}"


def answers_out(answers: Answers | None) -> dict[str, Any] | None:
    return None if answers is None else as_data(answers)


def question_out(row: Assignment, asked: Question) -> dict[str, Any]:
    """Return a question as JSON values, without the codebook, which is had once."""
    return {
        "assignment": row.pk,
        "position": asked.position,
        "of": asked.of,
        "language": asked.language,
        "whole": all(turn.asked for turn in asked.turns),
        "turns": [vars(turn) for turn in asked.turns],
        "codebook": digest_of(row.item.sample.revision),
        "purpose": row.item.sample.purpose,
        "version": row.version,
        "draft": row.draft,
        "seconds": row.seconds,
        "answered": answers_out(asked.answered),
        "answered_at": row.answered_at,
        "skipped": skipped_out(row),
        "flagged": row.flagged_because,
        "held_until": row.held_until if row.answered_at is None else None,
        "locked": asked.locked,
        "translation": asked.translation,
        **after_out(row),
    }


def translation_out(row: Assignment, given: Beside) -> dict[str, Any]:
    """Return a translation as JSON values: `turns` by where they start in the original."""
    return {
        "assignment": row.pk,
        "language": given.language,
        "maker": given.maker,
        "machine": given.machine,
        "by": given.by,
        "turns": given.words,
    }


def mine_out(row: Assignment) -> dict[str, Any]:
    return {
        "assignment": row.pk,
        "language": row.item.segment.transcript.language,
        "answered_at": row.answered_at,
        "skipped": skipped_out(row),
        "flagged": row.flagged_because,
        "late": row.answered_at is None,
        **after_out(row),
    }


def kept_out(row: Assignment, kept: Kept) -> dict[str, Any]:
    kept.assignment.item = row.item
    return {
        "assignment": row.pk,
        "version": kept.version,
        "answered_at": kept.assignment.answered_at,
        **after_out(kept.assignment),
    }


def after_out(row: Assignment) -> dict[str, bool]:
    """Return what is open to the coder now that their answer is in."""
    training = row.item.sample.purpose == Purpose.TRAINING
    return {
        "second": row.assisted_id is None and has_second_look(row),
        "feedback": training and row.coding_id is not None,
    }


def skipped_out(row: Assignment) -> dict[str, str] | None:
    if not row.skipped_because:
        return None
    why, note = skip_reason(row.skipped_because)
    return {"why": why or SkipReason.OTHER.value, "note": note}


def verdict_out(whose: str, verdict: Verdict) -> dict[str, Any]:
    return {whose: verdict.answer or None, f"{whose}_value": verdict.value}


def compared_out(one: Compared) -> list[dict[str, Any]]:
    """Return a decision beside the key, code by code; a code that neither chose is left out."""
    same = {
        "dimension": one.dimension,
        "agrees": one.alike,
        "why": " ".join(one.why),
        "passages": [list(passage) for passage in one.key_passages],
        "own_passages": [list(passage) for passage in one.own_passages],
    }
    if one.code is not None:
        return [
            {**same, "code": one.code, **said_out("own", one.yours), **said_out("key", one.key)}
        ]
    if one.yours == one.key or one.key is None:
        chosen = [one.yours] if one.yours else []
    else:
        chosen = [code for code in (one.yours, one.key) if code]
    whose = {"own": one.yours, "key": one.key}
    return [
        {
            **same,
            "code": code,
            **{
                name: None if said is None else "yes" if said == code else "no"
                for name, said in whose.items()
            },
            "own_value": None,
            "key_value": None,
        }
        for code in chosen
    ]


def said_out(whose: str, said: str | float | None) -> dict[str, Any]:
    """Return an answer, or a value on a scale, "" being: not expressed."""
    if isinstance(said, float):
        return {whose: "yes", f"{whose}_value": said}
    return {whose: "no" if said == "" else said, f"{whose}_value": None}
