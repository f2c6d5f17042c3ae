"""Words are found in every script, on both databases alike."""

import pytest
from django.db import connection

from studies import search
from studies.models import Searchable, Study
from studies.search import bring_up_to_date, forget, index, matching, missing, snippets
from studies.words import PIECE
from tests.factories import make_study, make_transcript

pytestmark = pytest.mark.django_db

SAID = {
    "en": "I worry about losing my job. Don’t trust it!",
    "de": "Große Angst vor Arbeitslosigkeit.",
    "fr": "L’été passé, j’étais inquiète.",
    "ar": "الخوف من المستقبل كَبِيرٌ.",
    "he": "אני דואג לעתיד.",
    "hi": "मुझे नौकरी जाने का डर है।",
    "zh": "我担心失业，人工智能很有用。",
    "ja": "仕事を失うのが心配です。カタカナも。",
    "th": "ฉันกังวลเรื่องงาน",
    "ko": "일자리를 잃을까 걱정됩니다.",
    "ru": "Я боюсь потерять работу, ёлка.",
    "sw": "Ninaogopa kupoteza kazi 🙂 yangu.",
}


@pytest.fixture
def study() -> Study:
    study = make_study()
    for language, text in SAID.items():
        make_transcript(text, study, external_id=language, language=language)
    assert index(study) == 0
    return study


def found(study: Study, query: str) -> list[str]:
    keys = matching(study.transcripts.all(), query, 50)
    ids = dict(study.transcripts.values_list("pk", "external_id"))
    return [ids[key] for key in keys]


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("losing my job", "en"),
        ("LOSING  My Job", "en"),
        ("I wor", "en"),
        ("don't", "en"),
        ("grosse angst", "de"),
        ("arbeitslos", "de"),
        ("ete passe", "fr"),
        ("خوف", "ar"),
        ("الخوف من", "ar"),
        ("كبير", "ar"),
        ("לעתיד", "he"),
        ("नौकरी जाने", "hi"),
        ("失业", "zh"),
        ("智能", "zh"),
        ("担心失业，人工", "zh"),
        ("心配", "ja"),
        ("カタカナ", "ja"),
        ("ｶﾀｶﾅ", "ja"),
        ("กังวล", "th"),
        ("งาน", "th"),
        ("일자리", "ko"),
        ("елка", "ru"),
        ("kazi 🙂 yangu", "sw"),
    ],
)
def test_words_are_found_in_their_script(study: Study, query: str, language: str) -> None:
    assert found(study, query) == [language]
    [shown] = snippets(matching(study.transcripts.all(), query, 5), query).values()
    assert shown.hit in SAID[language]
    assert shown.hit
    assert (shown.before + shown.hit + shown.after).strip("…") in SAID[language]


@pytest.mark.parametrize("query", ["osing", "job my", "业失", "智人", "zzz", "", "…!", "'\"*:&|"])
def test_what_nobody_said_is_not_found(study: Study, query: str) -> None:
    assert found(study, query) == []


def test_one_chinese_character_is_enough(study: Study) -> None:
    assert found(study, "业") == ["zh"]
    assert found(study, "失") == ["zh", "ja"]


def test_pages_go_on_and_come_back() -> None:
    study, other = make_study(), make_study()
    make_transcript("word", other)
    rows = [make_transcript(f"word {number}", study).pk for number in range(7)]
    index(study)
    index(other)
    every = study.transcripts.all()
    assert matching(every, "word", 3) == rows[:3]
    assert matching(every, "word", 3, after=rows[2]) == rows[3:6]
    assert matching(every, "word", 9, after=rows[5]) == rows[6:]
    assert matching(every, "word", 3, before=rows[6]) == rows[3:6]
    assert matching(every.filter(pk__in=rows[4:]), "word", 3) == rows[4:]
    assert matching(every, "word", 3, after=rows[2], narrow=False) == rows[3:6]


def test_words_are_found_in_a_row_and_in_order(study: Study) -> None:
    rows = [make_transcript(f"They said so {number}", study).pk for number in range(5)]
    index(study)
    every = study.transcripts.all()
    assert matching(every, "said so", 50) == rows
    assert matching(every, "said so", 2, after=rows[1]) == rows[2:4]
    assert matching(every, "said so", 2, before=rows[3], narrow=False) == rows[1:3]
    assert matching(every.filter(language="sw"), "said so", 50) == []
    assert matching(every, "so said", 50) == []
    assert found(study, "失业") == ["zh"]


def test_many_are_indexed_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BATCH", 3)
    study, told = make_study(), []
    rows = [make_transcript(f"word {number}", study).pk for number in range(8)]
    assert index(study, advance=lambda done, of: told.append((done, of))) == 0
    assert told == [(3, 8), (6, 8), (8, 8)]
    assert matching(study.transcripts.all(), "word", 50) == rows


def test_what_is_imported_after_a_search_is_found_by_the_next() -> None:
    study = make_study()
    first = make_transcript("word", study)
    assert bring_up_to_date(study, 60) == 0
    assert matching(study.transcripts.all(), "word", 5) == [first.pk]
    second = make_transcript("word", study)
    assert bring_up_to_date(study, 0) == 1
    assert bring_up_to_date(study, 60) == 0
    assert matching(study.transcripts.all(), "word", 5) == [first.pk, second.pk]


def test_a_long_interview_is_found_once_wherever_the_words_stand() -> None:
    study = make_study()
    for around in (PIECE - 2, PIECE - 1, PIECE, 2 * PIECE):
        text = "x " * around + "losing my job" + " y" * around
        row = make_transcript(text, study)
        index(study)
        assert matching(study.transcripts.filter(pk=row.pk), "losing my job", 5) == [row.pk]
    assert len(matching(study.transcripts.all(), "x x", 50)) == 4
    assert len(matching(study.transcripts.all(), "x x", 3)) == 3


def test_indexing_again_changes_nothing_and_a_removed_interview_is_not_found(study: Study) -> None:
    pieces = Searchable.objects.count()
    assert index(study) == 0
    assert Searchable.objects.count() == pieces
    study.transcripts.filter(external_id="zh").delete()
    assert found(study, "失") == ["ja"]


def test_another_text_is_found_by_its_own_words_only(study: Study) -> None:
    row = study.transcripts.get(external_id="en")
    assert bring_up_to_date(study, 60) == 0
    forget(study, [row.pk])
    assert list(missing(study)) == [row]
    row.text = "Nothing but hope"
    row.save()
    assert bring_up_to_date(study, 60) == 0
    assert found(study, "losing") == []
    assert found(study, "hope") == ["en"]


def test_indexing_stops_when_its_time_is_over() -> None:
    study = make_study()
    make_transcript("word", study)
    assert index(study, seconds=0) == 1
    assert index(study) == 0


def test_nothing_is_looked_for_outside_the_rows_given(study: Study) -> None:
    assert matching(study.transcripts.none(), "job", 5) == []
    assert connection.vendor in ("sqlite", "postgresql")
