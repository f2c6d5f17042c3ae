"""A lead brings in a codebook on the page: looked at first, kept then, or refused in a sentence."""

import html
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from codebooks.exchange import written
from codebooks.imports import keep
from codebooks.models import Codebook, Revision
from codebooks.revisions import as_book, freeze
from studies.models import Event, Role, Study
from tests.codebooks.test_exchange import packed_sheet
from tests.codebooks.test_imports import YAML, book, changed
from tests.factories import make_person, make_study

pytestmark = pytest.mark.django_db

UPLOAD = "/studies/hopes/codebook/upload/"


@pytest.fixture
def study() -> Study:
    return make_study("hopes")


@pytest.fixture
def lead(client: Client, study: Study) -> Client:
    client.force_login(make_person("ana", study, Role.LEAD))
    return client


def sent(client: Client, content: bytes | str, file: str = "book.yaml", name: str = "") -> Any:
    """What the page says to a file."""
    data = content.encode() if isinstance(content, str) else content
    return client.post(UPLOAD, {"file": SimpleUploadedFile(file, data), "name": name})


def seal_in(answer: Any) -> str:
    found = re.search(r'name="seal" value="([^"]+)"', answer.content.decode())
    return html.unescape(found[1]) if found else ""


def said(answer: Any) -> str:
    """The text of a page, without its elements."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", answer.content.decode())).split())


@pytest.mark.parametrize("form", [".yaml", ".csv", ".xlsx", ".qdc"])
def test_a_file_is_shown_first_and_kept_then(lead: Client, study: Study, form: str) -> None:
    content, _losses = written(book(), form)
    answer = sent(lead, content, f"book{form}")
    assert answer.status_code == 200
    page = said(answer)
    for text in ("Keep this as revision 1?", "2 dimensions · 2 codes · 1 scale", "Worries", "Pay"):
        assert text in page
    assert not Codebook.objects.exists()
    answer = lead.post("/studies/hopes/codebook/keep/", {"seal": seal_in(answer)}, follow=True)
    assert "“Hopes” is now at revision 1." in said(answer)
    revision = Revision.objects.get()
    assert as_book(revision) == book()
    assert Event.objects.get().name == "ana"


def test_the_next_revision_shows_what_it_says_otherwise(lead: Client, study: Study) -> None:
    freeze(keep(study, book()))
    text = (
        YAML.replace("label: Pay, parent: work", "label: Wage, definition: Too <b>little</b>.")
        .replace("{key: work,", "{key: home, label: Home}\n      - {key: labour,")
        .replace("maximum: 100", "maximum: 10")
    )
    answer = sent(lead, text)
    page = said(answer)
    assert "Keep this as revision 2?" in page
    assert "Revision 1 is in use and stays as it is." in page
    assert "What it says otherwise than revision 1" in page
    assert "added 1 code" in page
    assert "renamed 2 codes" in page
    for line in ("Label Pay Wage", "Key work labour", "Highest value 100 10", "Under Work"):
        assert line in page
    assert "worries/work=worries/labour" in page
    assert "<b>little</b>" not in answer.content.decode()
    lead.post("/studies/hopes/codebook/keep/", {"seal": seal_in(answer)})
    first, second = Revision.objects.order_by("number")
    assert as_book(first) == book()
    assert (second.number, second.frozen_at) == (2, None)


def test_the_same_file_once_more_offers_nothing_to_keep(lead: Client, study: Study) -> None:
    keep(study, book())
    answer = sent(lead, YAML)
    assert "Revision 1 says exactly the same: there is nothing to keep." in said(answer)
    assert not seal_in(answer)


def test_a_revision_that_nobody_uses_is_said_to_be_replaced(lead: Client, study: Study) -> None:
    keep(study, book())
    content, _losses = written(changed(), ".csv")
    assert "Nobody works with revision 1 yet" in said(sent(lead, content, "b.csv"))


def test_the_name_in_the_form_wins_over_the_name_in_the_file(lead: Client, study: Study) -> None:
    freeze(keep(study, book(), "Ours"))
    page = lead.get(UPLOAD).content.decode()
    assert 'value="Ours"' in page
    assert "Keep this as revision 2?" in said(sent(lead, YAML.replace("Pay", "Wage"), name="Ours"))
    page = said(sent(lead, YAML))
    assert "beside Ours" in page
    assert "What it says otherwise than Ours 1" in page


def test_a_name_is_any_language_and_no_markup(lead: Client) -> None:
    answer = sent(lead, YAML, "دليل ‏<i>.yaml", "<script>مخاوف</script>")
    assert "&lt;script&gt;مخاوف" in answer.content.decode()
    lead.post("/studies/hopes/codebook/keep/", {"seal": seal_in(answer)})
    assert Codebook.objects.get().name == "<script>مخاوف</script>"


def spreadsheet(*rows: list[str]) -> bytes:
    workbook = openpyxl.Workbook()
    assert workbook.active is not None
    for row in rows:
        workbook.active.append(row)
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><CodeBook>&b;</CodeBook>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><CodeBook>&a;</CodeBook>'


@pytest.mark.parametrize(
    ("content", "file", "sentence"),
    [
        ("", "book.yaml", "Line 1: The file is empty."),
        (b"\xff\xfe\x00", "book.yaml", "The file is not in UTF-8"),
        (b"\x00\x01\x02", "book.yaml", "a character that is no text (U+0000)"),
        (YAML.replace("kind: many", "kind: some"), "book.yaml", "Line 6: “some” is no kind"),
        ("a: &a [*a]", "book.yaml", "stands for another place of the file"),
        ("[" * 100, "book.yaml", "nested too deep"),
        (YAML, "book.docx", "book.docx: a codebook is a file that ends in .yaml"),
        (YAML, "book.qdc", "Line 1: This is no XML"),
        (BOMB, "book.qdc", "declares a document type of its own"),
        (OUTSIDE, "book.qdc", "declares a document type of its own"),
        (b"PK\x03\x04", "book.xlsx", "is damaged or not what its name says"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "book.xlsx", "is locked with a password"),
        (spreadsheet(["dimension", "kind", "code"], ["a", "two", "b"]), "b.xlsx", "Row 2, column"),
        ("dimension,kind,code\na,many,b\na,many,b\n", "b.csv", "The key “b” is used twice"),
        (b"x" * 20_000_001, "book.csv", "book.csv is larger than 20 MB: no codebook is."),
        (YAML, "../../etc/cron.d/book.py", "book.py: a codebook is a file"),
    ],
)
def test_a_bad_file_gets_one_clear_sentence_and_nothing_is_written(
    lead: Client, content: bytes | str, file: str, sentence: str
) -> None:
    answer = sent(lead, content, file)
    assert answer.status_code == 422
    page = said(answer)
    assert sentence in page
    assert "root:" not in page
    assert "Upload a codebook’s file" in page
    assert not Codebook.objects.exists()
    assert not Event.objects.exists()


def test_a_spreadsheet_made_to_burst_is_refused(lead: Client, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * (30 << 20))
    answer = sent(lead, (tmp_path / "bomb.xlsx").read_bytes(), "bomb.xlsx")
    assert "“bomb.xlsx” unpacks to more than 100 MB" in said(answer)
    wide = '<sheetData><row r="1"><c r="XFD1"><v>1</v></c></row></sheetData>'
    for rows, before, sentence in (
        (wide, "", "The sheet is too wide or too long"),
        ("<sheetData/>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "declares a document type of its own"),
    ):
        path = packed_sheet(tmp_path, rows, before)
        answer = sent(lead, path.read_bytes(), "b.xlsx")
        assert answer.status_code == 422
        assert sentence in said(answer)
    assert not Codebook.objects.exists()


def test_a_form_without_a_file_or_with_an_impossible_name_is_told_so(lead: Client) -> None:
    assert "Choose a codebook’s file first." in said(lead.post(UPLOAD, {"name": "x"}))
    assert "Choose a codebook’s file first." in said(lead.post(UPLOAD, {"file": "text"}))
    answer = sent(lead, YAML, name="a\x00b")
    assert answer.status_code == 422
    assert "needs a name of 1 to 200 characters" in said(answer)
    assert "needs a name" in said(sent(lead, YAML, name="x" * 201))


@pytest.mark.parametrize("seal", ["", "x", "a:b:c", "\x00", "x" * 4_000_000])
def test_a_seal_that_is_none_keeps_nothing(lead: Client, seal: str) -> None:
    answer = lead.post("/studies/hopes/codebook/keep/", {"seal": seal}, follow=True)
    assert "too old to be kept, or not whole" in said(answer)
    assert not Codebook.objects.exists()


def test_a_page_kept_twice_is_kept_once(lead: Client, study: Study) -> None:
    seal = seal_in(sent(lead, YAML))
    for _time in range(2):
        answer = lead.post("/studies/hopes/codebook/keep/", {"seal": seal}, follow=True)
        assert "is now at revision 1" in said(answer)
    assert Event.objects.count() == Revision.objects.count() == 1


def test_two_leads_at_once_do_not_write_over_each_other(lead: Client, study: Study) -> None:
    seal = seal_in(sent(lead, YAML))
    keep(study, changed())
    answer = lead.post("/studies/hopes/codebook/keep/", {"seal": seal}, follow=True)
    assert "Somebody changed “Hopes” meanwhile" in said(answer)
    assert as_book(Revision.objects.get()) == changed()


def test_the_codebook_of_another_study_is_chosen_shown_and_taken_over(
    lead: Client, study: Study
) -> None:
    elsewhere = make_study("elsewhere")
    ana = study.memberships.get().person
    elsewhere.memberships.create(person=ana, name="ana", role=Role.READER)
    old = freeze(keep(elsewhere, book()))
    source = keep(elsewhere, changed())
    page = lead.get("/studies/hopes/codebook/").content.decode()
    assert f'<option value="{source.pk}" dir="auto">Elsewhere · Hopes 2</option>' in page
    assert f'<option value="{old.pk}"' not in page
    answer = lead.post("/studies/hopes/codebook/take-over/", {"source": source.pk, "name": "Own"})
    assert "It becomes the first codebook of this study." in said(answer)
    answer = lead.post("/studies/hopes/codebook/keep/", {"seal": seal_in(answer)}, follow=True)
    assert "Taken over from Elsewhere · Hopes" in said(answer)
    taken = Codebook.objects.get(study=study)
    assert (taken.name, taken.derived_from) == ("Own", source.codebook)


def test_a_codebook_that_is_not_open_cannot_be_taken_over(lead: Client, study: Study) -> None:
    closed = keep(make_study("closed"), book())
    for number in (str(closed.pk), "", "x", "9" * 30, "²"):
        answer = lead.post("/studies/hopes/codebook/take-over/", {"source": number})
        assert answer.status_code == 422
        assert "Choose a codebook that you lead or read." in said(answer)
    assert "closed" not in lead.get(UPLOAD).content.decode()


def test_coders_and_readers_bring_in_nothing(client: Client, study: Study) -> None:
    for role in (Role.CODER, Role.READER):
        client.force_login(make_person(role, study, role))
        assert sent(client, YAML).status_code == 404
        page = client.get("/studies/hopes/codebook/").content.decode()
        assert "upload" not in page
        assert "import_codebook" not in page
