"""The list of interviews: pages, cuts and orders agree with what plain Python makes of the rows."""

import itertools

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studies.lists import MOST_COUNTED, ROWS, ROWS_WITH_WORDS, Asked, page
from studies.models import Participant, Study, Transcript
from studies.search import index
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_segment,
    make_study,
    make_transcript,
)

pytestmark = pytest.mark.django_db


def make_many(count: int, study: Study) -> list[Transcript]:
    people = Participant.objects.bulk_create(
        Participant(study=study, external_id=f"p{n}", attributes={"country": "DE", "age": n % 3})
        for n in range(count)
    )
    return list(
        Transcript.objects.bulk_create(
            Transcript(
                study=study,
                participant=person,
                external_id=f"t{n * 7 % 101:03}-{n}",
                text=f"word {n}",
                language=("en", "sw", "zh")[n % 3],
                language_source=("declared", "unsure")[n % 2],
                length=n % 5,
                digest=str(n),
            )
            for n, person in enumerate(people)
        )
    )


def walk(study: Study, **asked: str) -> list[int]:
    """Return the keys of all pages, one after the other, and check the way back."""
    keys: list[int] = []
    shown = page(study, Asked.of(asked))
    pages = [[row.pk for row in shown.rows]]
    while shown.after:
        shown = page(study, Asked.of({**asked, "after": str(shown.after)}))
        pages.append([row.pk for row in shown.rows])
    for expected in pages[-2::-1]:
        assert shown.before
        shown = page(study, Asked.of({**asked, "before": str(shown.before)}))
        assert [row.pk for row in shown.rows] == expected
    assert not shown.before
    for one in pages:
        keys += one
    return keys


@pytest.mark.parametrize(
    ("sort", "column"),
    [
        ("imported", "pk"),
        ("-imported", "pk"),
        ("id", "external_id"),
        ("-id", "external_id"),
        ("length", "length"),
        ("-length", "length"),
        ("language", "language"),
    ],
)
def test_pages_hold_every_row_once_in_its_order(sort: str, column: str) -> None:
    study = make_study()
    rows = make_many(2 * ROWS + 7, study)
    make_many(3, make_study())
    ordered = sorted(
        rows, key=lambda row: (getattr(row, column), row.pk), reverse=sort.startswith("-")
    )
    assert walk(study, sort=sort) == [row.pk for row in ordered]


@pytest.mark.parametrize("language", ["", "sw"])
@pytest.mark.parametrize("source", ["", "unsure"])
@pytest.mark.parametrize("value", ["", "2"])
def test_cuts_go_together(language: str, source: str, value: str) -> None:
    study = make_study()
    rows = make_many(120, study)
    kept = [
        row.pk
        for row in rows
        if language in ("", row.language)
        and source in ("", row.language_source)
        and value in ("", str(row.participant.attributes["age"]))
    ]
    asked = {"language": language, "source": source, "attribute": "age", "value": value}
    assert walk(study, **asked) == kept
    assert page(study, Asked.of(asked)).total == len(kept)


def test_words_are_looked_for_in_what_is_left() -> None:
    study = make_study()
    rows = make_many(3 * ROWS_WITH_WORDS, study)
    index(study)
    assert walk(study, text="word") == [row.pk for row in rows]
    assert walk(study, text="word", language="zh") == [
        row.pk for row in rows if row.language == "zh"
    ]
    [shown] = page(study, Asked.of({"text": "word 41"})).snippets.values()
    assert (shown.before, shown.hit, shown.after) == ("", "word 41", "")


def test_coded_by_a_run_and_by_people_are_told_apart() -> None:
    study = make_study()
    revision = make_revision(study)
    run = make_run(revision)
    segments = [make_segment("words", study) for _ in range(4)]
    for segment in segments[:3]:
        make_coding(segment, revision, run=run)
    make_coding(segments[2], revision, person=make_person())
    make_coding(segments[3], revision, person=make_person())
    keys = [segment.transcript_id for segment in segments]
    for state, expected in {
        "coded": keys[:3],
        "not_coded": keys[3:],
        "reviewed": keys[2:],
        "not_reviewed": keys[:2],
    }.items():
        assert walk(study, state=state) == expected


def test_the_list_never_reads_a_text() -> None:
    study = make_study()
    make_many(60, study)
    for asked in ({}, {"sort": "-length"}, {"language": "sw"}, {"value": "2", "attribute": "age"}):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page(study, Asked.of(asked))
        assert not [query for query in queries if '."text"' in query["sql"]]
        assert len(queries) <= 4


def test_a_row_that_went_away_leads_to_a_page_all_the_same() -> None:
    study = make_study()
    rows = make_many(60, study)
    Transcript.objects.filter(pk=rows[49].pk).delete()
    assert page(study, Asked.of({"after": str(rows[49].pk)})).rows


def test_many_rows_are_said_to_be_many(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    make_many(60, study)
    monkeypatch.setattr("studies.lists.MOST_COUNTED", 55)
    shown = page(study, Asked.of({"id": "-"}))
    assert (shown.total, shown.more_than_total) == (55, True)
    assert page(study, Asked.of({"id": "-", "after": str(shown.after)})).total is None
    assert page(study, Asked.of({"source": "unsure"})).total == 30
    assert page(study, Asked()).total == 60
    assert MOST_COUNTED > ROWS


def test_many_interviews_with_the_same_words_are_said_to_be_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = make_study()
    for number in range(ROWS_WITH_WORDS + 5):
        make_transcript(f"They said so {number}", study)
    index(study)
    found = page(study, Asked(text="said so"))
    assert (found.total, found.more_than_total) == (ROWS_WITH_WORDS + 5, False)
    monkeypatch.setattr("studies.lists.MOST_FOUND", ROWS_WITH_WORDS + 2)
    found = page(study, Asked(text="said so"))
    assert (found.total, found.more_than_total) == (ROWS_WITH_WORDS + 2, True)


@pytest.mark.parametrize("name", ["age", "a'b", "two words", "%s", "größe", "a.b", "a[0]"])
def test_any_name_of_an_attribute_can_be_asked_for(name: str) -> None:
    study = make_study()
    make_transcript("x", study, attributes={name: "yes"})
    make_transcript("x", study, attributes={"other": "yes"})
    found = page(study, Asked(attribute=name, value="yes")).rows
    assert [row.participant.attributes for row in found] == [{name: "yes"}]


def test_orders_of_every_kind_stand_in_an_index() -> None:
    names = {tuple(one.fields) for one in Transcript._meta.indexes}
    for column in ("language", "length", "external_id"):
        assert any(fields[:2] == ("study", column) for fields in names), column
    assert len(list(itertools.chain(*names))) > 4
