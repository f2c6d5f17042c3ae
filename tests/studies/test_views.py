import re

import pytest
from django.test import Client, RequestFactory
from django.views.defaults import server_error

from studies.models import LanguageSource, Role, Study, Transcript
from studies.uploads import keep
from tests.factories import make_file, make_person, make_study, make_transcript

pytestmark = pytest.mark.django_db


def signed_in(study: Study, role: Role) -> Client:
    client = Client()
    client.force_login(make_person(study=study, role=role))
    return client


def test_whoever_is_not_signed_in_is_asked_to_sign_in(client: Client) -> None:
    assert client.get("/").headers["Location"].startswith("/accounts/login/")
    assert client.get("/accounts/login/").status_code == 200


def test_a_person_sees_their_own_studies_only(client: Client) -> None:
    mine, other = make_study("mine"), make_study("other")
    page = signed_in(mine, Role.READER).get("/").content.decode()
    assert "Mine" in page
    assert other.name not in page


@pytest.mark.parametrize("address", ["", "transcripts/", "speakers/", "codebook/", "coding/"])
def test_a_stranger_is_told_that_there_is_no_such_study(address: str) -> None:
    study = make_study("secret")
    stranger = signed_in(make_study("elsewhere"), Role.LEAD)
    assert stranger.get(f"/studies/secret/{address}").status_code == 404
    assert signed_in(study, Role.LEAD).get(f"/studies/secret/{address}").status_code == 200


@pytest.mark.parametrize("address", ["transcripts/", "speakers/", "coding/"])
def test_a_coder_does_not_get_pages_that_could_lead_them(address: str) -> None:
    study = make_study("blind")
    assert signed_in(study, Role.CODER).get(f"/studies/blind/{address}").status_code == 404


def test_the_list_says_ids_and_never_loads_texts(django_assert_max_num_queries: object) -> None:
    study = make_study("list")
    for number in range(3):
        make_transcript("a very long text", study, external_id=f"interview {number}")
    client = signed_in(study, Role.READER)
    client.get("/")
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        page = client.get("/studies/list/transcripts/").content.decode()
    assert "interview 2" in page
    assert "a very long text" not in page


def test_the_list_can_be_cut_down_to_a_language() -> None:
    study = make_study("cut")
    make_transcript("hujambo", study, external_id="first", language="sw")
    make_transcript("hello", study, external_id="second", language="en")
    page = signed_in(study, Role.READER).get("/studies/cut/transcripts/?language=sw")
    assert "first" in page.content.decode()
    assert "second" not in page.content.decode()


def test_words_carry_their_language_and_direction() -> None:
    study = make_study("words")
    row = make_transcript("مرحبا", study, language="ar")
    page = signed_in(study, Role.READER).get(f"/studies/words/transcripts/{row.pk}/")
    assert 'lang="ar" dir="auto" data-start="0" data-evidence>مرحبا</p>' in page.content.decode()


def test_a_lead_corrects_the_language_of_several_at_once() -> None:
    study = make_study("several")
    rows = [make_transcript("x", study, language_source="unsure") for _ in range(2)]
    answer = signed_in(study, Role.LEAD).post(
        "/studies/several/transcripts/language/",
        {"transcript": [row.pk for row in rows], "language": "pt"},
    )
    assert answer.status_code == 302
    corrected = Transcript.objects.filter(study=study).values_list("language", "language_source")
    assert set(corrected) == {("pt", LanguageSource.CORRECTED)}


def test_a_reader_corrects_nothing() -> None:
    study = make_study("reader")
    row = make_transcript("x", study)
    answer = signed_in(study, Role.READER).post(
        "/studies/reader/transcripts/language/", {"transcript": [row.pk], "language": "fr"}
    )
    assert answer.status_code == 404
    row.refresh_from_db()
    assert row.language == "en"


def test_after_a_correction_one_does_not_land_on_another_site() -> None:
    study = make_study("land")
    row = make_transcript("x", study)
    answer = signed_in(study, Role.LEAD).post(
        "/studies/land/transcripts/language/",
        {"transcript": [row.pk], "language": "fr", "next": "https://elsewhere.example/"},
    )
    assert answer.headers["Location"] == "/studies/land/transcripts/"


def test_a_lead_corrects_the_roles_of_a_whole_study() -> None:
    study = make_study("roles")
    make_transcript("Dan: hi", study, turns=[[5, 7, "Dan", "participant"]])
    client = signed_in(study, Role.LEAD)
    make_transcript("Eva: yes", study, turns=[[5, 8, "Eva", "participant"]])
    shown = {
        "label": ["Dan", "Eva"],
        "was": ["participant"] * 2,
        "role": ["interviewer", "participant"],
    }
    client.post("/studies/roles/speakers/", shown)
    study.refresh_from_db()
    assert study.speaker_roles == {"Dan": "interviewer"}
    assert "selected" in client.get("/studies/roles/speakers/").content.decode()


def test_a_page_in_arabic_runs_from_right_to_left() -> None:
    study = make_study("rtl")
    client = signed_in(study, Role.READER)
    client.post("/i18n/setlang/", {"language": "ar", "next": "/"})
    assert '<html lang="ar" dir="rtl">' in client.get("/").content.decode()


def test_a_correction_of_nothing_says_so() -> None:
    study = make_study("nothing")
    client = signed_in(study, Role.LEAD)
    client.post("/studies/nothing/transcripts/language/", {"language": "pt", "transcript": ["x"]})
    page = client.get("/studies/nothing/transcripts/").content.decode()
    assert "Choose the interviews first" in page


@pytest.mark.parametrize("asked", ["id=%00", "language=%00", "source=%00", "page=%00"])
def test_no_character_in_an_address_makes_a_page_fail(asked: str) -> None:
    client = signed_in(make_study("nul"), Role.READER)
    assert client.get(f"/studies/nul/transcripts/?{asked}").status_code == 200


@pytest.mark.parametrize("address", ["", "transcripts/", "speakers/", "codebook/", "review/"])
def test_a_page_can_be_asked_for_its_head(address: str) -> None:
    answer = signed_in(make_study("head"), Role.LEAD).head(f"/studies/head/{address}")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_form_from_before_another_sign_in_is_refused_in_plain_words() -> None:
    study = make_study("twice")
    client = Client(enforce_csrf_checks=True)
    client.force_login(
        make_person("mara", study), backend="django.contrib.auth.backends.ModelBackend"
    )
    answer = client.post("/studies/twice/review/1/", {"save": "1"})
    page = answer.content.decode()
    assert answer.status_code == 403
    assert '<a href="/studies/twice/review/1/">Open the page again</a>' in page
    assert "CSRF" not in page


def test_a_failure_is_said_in_plain_words_even_when_nobody_is_known() -> None:
    page = server_error(RequestFactory().get("/")).content.decode()
    assert "Something went wrong" in page
    assert '<html lang="en" dir="ltr">' in page


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("speakers", "Transcripts"),
        ("transcripts/add", "Transcripts"),
        ("plan", "Review"),
        ("compare", "Agreement"),
        ("drift", "Agreement"),
        ("stability", "Agreement"),
        ("together", "Prevalence"),
        ("quotes", "Prevalence"),
        ("report", "Prevalence"),
        ("trail", "People"),
    ],
)
def test_the_bar_says_to_which_of_the_pages_a_page_belongs(address: str, name: str) -> None:
    client = signed_in(make_study("sample"), Role.LEAD)
    assert current(client, f"/studies/sample/{address}/") == [name]


def current(client: Client, path: str) -> list[str]:
    """Return what the bar of a page says it belongs to."""
    page = client.get(path).content.decode()
    bar = page.partition('class="study-bar"')[2].partition("</nav>")[0]
    return re.findall(r'aria-current="page">(.*?)</a>', bar)


def test_a_file_that_is_looked_at_belongs_to_the_transcripts_alone() -> None:
    study = make_study("sample")
    ana, client = make_person("ana", study, Role.LEAD), Client()
    client.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
    upload = keep(study, ana, [make_file()])
    assert current(client, f"/studies/sample/transcripts/add/{upload.key}/") == ["Transcripts"]


def test_coders_find_their_own_work_in_the_bar() -> None:
    study = make_study("sample")
    coder = signed_in(study, Role.CODER)
    assert "/studies/sample/work/mine/" in coder.get("/studies/sample/review/").content.decode()
    assert current(coder, "/studies/sample/work/mine/") == ["Your work"]


def test_an_empty_list_leads_a_lead_to_adding_interviews_and_nobody_else() -> None:
    study = make_study("new")
    page = signed_in(study, Role.LEAD).get("/studies/new/transcripts/").content.decode()
    assert page.count('href="/studies/new/transcripts/add/"') == 1
    assert "<search>" not in page
    page = signed_in(study, Role.READER).get("/studies/new/transcripts/").content.decode()
    assert "/add/" not in page
    make_transcript("I hope so.", study)
    page = signed_in(study, Role.LEAD).get("/studies/new/transcripts/").content.decode()
    assert page.count('href="/studies/new/transcripts/add/"') == 1


def test_without_interviews_nobody_speaks_and_nothing_is_to_be_saved() -> None:
    study = make_study("new")
    page = signed_in(study, Role.LEAD).get("/studies/new/speakers/").content.decode()
    assert "appears here once they are imported" in page
    assert "Save roles" not in page
