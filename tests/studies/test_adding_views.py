"""Pages that begin a study and bring interviews into it."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from studies.models import Role, Study, Upload
from studies.uploads import folder_of
from tests.factories import make_file, make_person, make_study

pytestmark = pytest.mark.django_db

ADD = "/studies/hopes/transcripts/add/"
TALK = '"Interviewer: Why?\n\nParticipant: Because it saves me time every single week."'


def signed_in(person: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def permitted(name: str = "eva") -> User:
    person = make_person(name)
    person.user_permissions.add(Permission.objects.get(codename="add_study"))
    return person


@pytest.fixture
def study() -> Study:
    return make_study("hopes")


@pytest.fixture
def lead(study: Study) -> Client:
    return signed_in(make_person("ana", study, Role.LEAD))


def text(answer: Any) -> str:
    return str(answer.content.decode())


def sent(client: Client, *files: Any, follow: bool = True) -> Any:
    return client.post(ADD, {"file": list(files)}, follow=follow)


# A new study


def test_who_may_makes_a_study_and_leads_it() -> None:
    client = signed_in(permitted())
    assert 'href="/new-study/"' in text(client.get("/"))
    said = {"name": " Höpes  and worries ", "slug": "", "unit": "answer", "evidence_required": "on"}
    answer = client.post("/new-study/", said, follow=True)
    assert answer.redirect_chain == [("/studies/hopes-and-worries/", 302)]
    assert "is made, and you lead it" in text(answer)
    study = Study.objects.get()
    assert (study.name, study.unit, study.evidence_required) == (
        "Höpes and worries",
        "answer",
        True,
    )
    assert list(study.memberships.values_list("name", "role")) == [("eva", "lead")]
    assert list(study.events.values_list("action", "name")) == [
        ("study_made", "eva"),
        ("added", "eva"),
    ]


def test_who_leads_a_study_or_runs_the_site_may_make_another(lead: Client) -> None:
    boss = signed_in(User.objects.create_superuser("boss", password="long enough"))
    for client, slug in ((lead, "one"), (boss, "two")):
        assert client.get("/new-study/").status_code == 200
        client.post("/new-study/", {"name": slug, "slug": slug, "unit": "interview"})
        assert Study.objects.filter(slug=slug).exists()


@pytest.mark.parametrize("role", [Role.CODER, Role.READER, None])
def test_others_are_not_told_that_studies_can_be_made(study: Study, role: Role | None) -> None:
    client = signed_in(make_person("ben", study if role else None, role or Role.CODER))
    assert "new-study" not in text(client.get("/"))
    assert client.get("/new-study/").status_code == 404
    said = {"name": "x", "slug": "x", "unit": "interview"}
    assert client.post("/new-study/", said).status_code == 404
    assert Study.objects.count() == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"slug": "Two words"}, "can’t be a study’s short name"),
        ({"slug": "hopes"}, "is taken already"),
        ({"slug": "other", "name": "  "}, "needs a name"),
        ({"slug": "other", "name": "x" * 201}, "needs a name"),
        ({"slug": "other", "unit": "letter"}, "no unit of coding"),
        ({"slug": "other", "name": "a\x00b"}, "can’t be kept"),
    ],
)
def test_bad_input_gets_a_sentence_and_keeps_what_was_typed(
    study: Study, said: dict[str, str], why: str
) -> None:
    said = {"name": "Öffnung", "unit": "answer", "evidence_required": "on", **said}
    answer = signed_in(permitted()).post("/new-study/", said)
    page = text(answer)
    assert answer.status_code == 422
    assert why in page
    assert page.count('role="alert"') == 1
    assert f'value="{said["slug"]}"' in page
    if said["unit"] == "answer":
        assert 'value="answer" checked' in page
    assert 'name="evidence_required" checked' in page
    assert study.name not in page.partition("<main")[2]
    assert Study.objects.count() == 1


def test_a_form_sent_twice_makes_one_study() -> None:
    client = signed_in(permitted())
    for slug in ("", "", "fears", "fears"):
        said = {"name": "مخاوف", "slug": slug, "unit": "interview"}
        assert client.post("/new-study/", said).status_code == 302
    assert set(Study.objects.values_list("slug", flat=True)) == {"study", "fears"}


def test_a_form_of_another_site_makes_nothing(study: Study) -> None:
    client = signed_in(make_person("ana", study, Role.LEAD), enforce_csrf_checks=True)
    assert client.post("/new-study/", {"name": "x", "slug": "x"}).status_code == 403
    assert sent(client, make_file(), follow=False).status_code == 403
    assert Study.objects.count() == 1
    assert not Upload.objects.exists()
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', text(client.get(ADD)))
    assert token
    form = {"file": make_file(), "csrfmiddlewaretoken": token[1]}
    assert client.post(ADD, form).status_code == 302


# Adding interviews


def test_interviews_are_looked_at_then_imported(study: Study, lead: Client) -> None:
    holds = f"id,language,country,text\n1,ar,Egypt,آمل ذلك\n2,,Peru,{TALK}\n2,,,x\n"
    answer = sent(lead, make_file("مقابلات.csv", holds))
    [(address, _status)] = answer.redirect_chain
    page = text(answer)
    assert not study.transcripts.exists()
    assert "مقابلات.csv" in page
    assert '<p class="words start" lang="ar" dir="auto">آمل ذلك</p>' in page
    assert "The same id stands in مقابلات.csv:3 already." in page
    chosen = re.findall(r'name="use(\d)".*?value="(\w*)" selected', page)
    assert chosen == [("0", "id"), ("1", "language"), ("2", "attribute"), ("3", "text")]
    answer = lead.post(address, {"what": "import"}, follow=True)
    page = text(answer)
    assert "<b>2</b> new" in page
    assert "<b>1</b> left out" in page
    assert "ar 1" in page
    assert "The same id stands in" in page
    assert 'href="/studies/hopes/codebook/"' in page
    assert set(study.transcripts.values_list("external_id", flat=True)) == {"1", "2"}
    assert study.events.get(action="imported").name == "ana"
    again = text(lead.post(address, {"what": "import"}, follow=True))
    assert "<b>2</b> new" in again
    assert study.events.filter(action="imported").count() == 1


def test_the_same_file_again_changes_nothing(study: Study, lead: Client) -> None:
    for number in range(2):
        answer = sent(lead, make_file())
        if number:
            assert "<b>1</b> in the study already" in text(answer)
        answer = lead.post(answer.redirect_chain[0][0], {"what": "import"}, follow=True)
    assert "<b>1</b> unchanged" in text(answer)
    assert study.events.filter(action="imported").count() == 1


def test_a_column_wrongly_taken_is_put_right_before_anything_is_stored(
    study: Study, lead: Client
) -> None:
    holds = "id,text,talk\n1,my notes,I hope so.\n"
    answer = sent(lead, make_file(holds=holds))
    address = answer.redirect_chain[0][0]
    assert "my notes" in text(answer).partition("as they would be stored")[2]
    uses = {"what": "look", "use0": "id", "use1": "", "use2": "text"}
    page = text(lead.post(address, uses, follow=True))
    assert "my notes" not in page.partition("as they would be stored")[2]
    assert "I hope so." in page.partition("as they would be stored")[2]
    lead.post(address, {**uses, "what": "import"})
    row = study.transcripts.get()
    assert (row.external_id, row.text, row.participant.attributes) == ("1", "I hope so.", {})


def test_a_table_without_a_column_that_looks_like_text_asks_for_it(
    study: Study, lead: Client
) -> None:
    answer = sent(lead, make_file(holds="who,talk\nana,I hope so.\n"))
    page, address = text(answer), answer.redirect_chain[0][0]
    assert "looks like the text of the interviews: choose it below" in page
    assert 'value="import"' not in page
    page = text(lead.post(address, {"what": "look", "use0": "id", "use1": "text"}, follow=True))
    assert "I hope so." in page
    assert 'value="import"' in page


@pytest.mark.parametrize(
    ("uses", "why"),
    [
        (["id", "id", "text"], "Only one column can be the id: “id” and “lang”"),
        (["language", "language", "text"], "Only one column can be the language"),
        (["id", "language", ""], "Choose the column that holds the text."),
        (["id", "language", "evil"], "Choose the column that holds the text."),
    ],
)
def test_a_choice_that_can_not_be_stays_as_it_was_made(
    study: Study, lead: Client, uses: list[str], why: str
) -> None:
    address = sent(lead, make_file(holds="id,lang,text\n1,en,x\n")).redirect_chain[0][0]
    said = {f"use{number}": use for number, use in enumerate(uses)}
    for what in ("look", "import"):
        answer = lead.post(address, {"what": what, **said})
        assert answer.status_code == 422
        assert why in text(answer)
        assert f'value="{uses[1]}" selected' in text(answer).partition('name="use1"')[2]
    assert not study.transcripts.exists()


def test_files_with_an_interview_each_are_sent_together(study: Study, lead: Client) -> None:
    files = [make_file(f"p{number}.txt", f"I hope so {number}.") for number in range(3)]
    answer = sent(lead, *files)
    assert "Each file is an interview" in text(answer)
    lead.post(answer.redirect_chain[0][0], {"what": "import"})
    assert set(study.transcripts.values_list("external_id", flat=True)) == {"p0", "p1", "p2"}


def test_nothing_chosen_a_wrong_kind_and_an_empty_file_get_a_sentence(lead: Client) -> None:
    for files, why in (
        ([], "Choose at least one file"),
        ([make_file("a.pdf", "x")], "of a kind that can&#x27;t be read"),
        ([make_file("a.csv", "")], "it has no rows below its header"),
        ([make_file("a.txt"), make_file("b.zip", "x")], "no zip that can be read"),
    ):
        answer = sent(lead, *files, follow=False)
        assert (answer.status_code, text(answer).count('role="alert"')) == (422, 1)
        assert why in text(answer)
        assert str(folder_of(Upload(key=""))) not in text(answer)
    answer = sent(lead, make_file("a.txt", ""))
    assert "It has no text." in text(answer)
    assert 'value="import"' not in text(answer)


def test_too_much_is_refused_before_it_is_read(lead: Client, settings: Any) -> None:
    settings.CONCORD_UPLOAD_MB = 1

    class Unread:
        def read(self, *_size: int) -> bytes:
            raise AssertionError("nothing of it may be read")

        readline = read

    sent: dict[str, Any] = {"CONTENT_LENGTH": str(50 << 20), "wsgi.input": Unread()}
    answer = lead.generic("POST", ADD, content_type="multipart/form-data; boundary=x", **sent)
    assert answer.status_code == 413
    assert "manage.py import_transcripts hopes PATH" in text(answer)


def test_too_many_files_are_asked_to_be_packed(lead: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    answer = sent(lead, *(make_file(f"{number}.txt") for number in range(3)), follow=False)
    assert answer.status_code == 422
    assert "At most 2 files can be sent at once: pack them into one zip." in text(answer)


def test_an_upload_is_open_to_the_leads_of_its_study_alone(study: Study, lead: Client) -> None:
    address = sent(lead, make_file()).redirect_chain[0][0]
    other = make_study("other")
    for client, path in (
        (signed_in(make_person("eva", study)), address),
        (signed_in(make_person("kim", study, Role.READER)), address),
        (signed_in(make_person("ben", other, Role.LEAD)), address),
        (lead, address.replace("hopes", "other")),
        (lead, ADD + "..%2F..%2Fetc/"),
        (lead, ADD + "none/"),
    ):
        assert client.get(path).status_code == 404
        assert client.post(path, {"what": "import"}).status_code == 404
    study.memberships.filter(name="ana").update(role=Role.READER)
    assert lead.post(address, {"what": "import"}).status_code == 404
    assert not study.transcripts.exists()


def test_an_import_on_its_way_is_found_again_gone_on_with_and_stopped(
    study: Study, lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.uploads.go_on.__defaults__", (0,))
    rows = "".join(f"{number},en,I hope so {number}.\n" for number in range(9))
    address = sent(lead, make_file(holds=f"id,language,text\n{rows}")).redirect_chain[0][0]
    page = text(lead.post(address, {"what": "import"}, follow=True))
    assert "1 interview is imported, 1" in page
    assert f'href="{address}"' in text(lead.get("/studies/hopes/transcripts/"))
    assert f'href="{address}"' in text(lead.get(ADD))
    page = text(lead.post(address, {"what": "go_on"}, follow=True))
    assert "2 interviews are imported" in page
    answer = lead.post(address, {"what": "discard"}, follow=True)
    assert answer.redirect_chain == [("/studies/hopes/transcripts/", 302)]
    assert study.transcripts.count() == 2
    assert study.events.get(action="imported").after == {"created": 2, "left_out": 0}
    assert lead.get(address).status_code == 404


def test_another_lead_sees_whose_it_is_goes_on_with_it_and_stops_it(
    study: Study, lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.uploads.go_on.__defaults__", (0,))
    rows = "".join(f"{number},en,I hope so {number}.\n" for number in range(9))
    file = make_file(holds=f"id,language,text\n{rows}")
    address = sent(lead, file).redirect_chain[0][0]
    other = signed_in(make_person("eva", study, Role.LEAD))
    here = f'href="{address}"'
    for client, whose in (
        (other, "These files of <bdi>ana</bdi> wait"),
        (lead, "These files wait"),
    ):
        page = text(client.get(ADD))
        assert here in page
        assert whose in page
        assert here not in text(client.get("/studies/hopes/transcripts/"))
    assert "sent by <bdi>ana</bdi>" in text(other.get(address))
    assert "sent by" not in text(lead.get(address))
    lead.post(address, {"what": "import"})
    for page in (ADD, "/studies/hopes/transcripts/"):
        assert "An import that <bdi>ana</bdi> began has not ended" in text(other.get(page))
        assert "An import has not ended" in text(lead.get(page))
    assert "2 interviews are imported" in text(other.post(address, {"what": "go_on"}, follow=True))
    assert "The import is stopped" in text(other.post(address, {"what": "discard"}, follow=True))
    assert study.transcripts.count() == 2
    assert here not in text(lead.get(ADD))


def test_readers_are_not_told_of_imports(study: Study, lead: Client) -> None:
    address = sent(lead, make_file()).redirect_chain[0][0]
    study.uploads.update(outcome={"created": 0})
    reader = signed_in(make_person("kim", study, Role.READER))
    assert address not in text(reader.get("/studies/hopes/transcripts/"))


def test_files_that_are_gone_get_a_sentence(lead: Client) -> None:
    address = sent(lead, make_file()).redirect_chain[0][0]
    folder = folder_of(Upload.objects.get())
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert "not kept any more: send them again" in text(lead.get(address))
    answer = lead.post(address, {"what": "import"}, follow=True)
    assert "not kept any more: send them again" in text(answer)


def test_formulas_and_halves_of_characters_are_shown_as_they_are(
    study: Study, lead: Client
) -> None:
    holds = (
        '{"id": "=1+1", "text": "=HYPERLINK(1)", "language": "\\ud800"}\n'
        '{"id": "<b>", "text": "<script>alert(1)</script>", "note\\ud800": "x"}\n'
    )
    answer = sent(lead, make_file("a.jsonl", holds))
    page = text(answer)
    assert "=HYPERLINK(1)" in page
    assert "&lt;script&gt;alert(1)" in page
    page = text(lead.post(answer.redirect_chain[0][0], {"what": "import"}, follow=True))
    assert "The language “\ufffd” is not known" in page
    assert study.transcripts.get(external_id="=1+1").text == "=HYPERLINK(1)"


def test_what_nobody_asks_for_is_not_found(lead: Client) -> None:
    address = sent(lead, make_file()).redirect_chain[0][0]
    assert lead.post(address, {"what": "format the disk"}).status_code == 404


def test_a_page_of_columns_in_arabic_reads_from_right_to_left(lead: Client) -> None:
    lead.cookies["django_language"] = "ar"
    page = text(sent(lead, make_file(holds="المعرف,النص\n1,آمل ذلك\n")))
    assert 'dir="rtl"' in page
    assert "آمل ذلك" in page
