"""The codebook's pages: what it says, its files, and what changed in it."""

import pytest
from django.test import Client

from codebooks.exchange import parsed
from codebooks.imports import keep
from codebooks.models import Wording
from codebooks.revisions import as_book, freeze
from studies.models import Role
from tests.codebooks.test_imports import YAML, book, changed
from tests.factories import make_coding, make_person, make_revision, make_segment, make_study

pytestmark = pytest.mark.django_db


def test_the_page_shows_every_dimension_and_code_of_the_newest_revision(client: Client) -> None:
    study = make_study("shown")
    make_revision(study, many=["hope"], one=["welcoming"], scale=(0, 100))
    client.force_login(make_person(study=study, role=Role.CODER))
    page = client.get("/studies/shown/codebook/").content.decode()
    for said in ("Topics", "Hope", "Stance", "Welcoming", "From 0 to 100"):
        assert said in page


def test_a_code_is_shown_in_the_readers_language_where_it_is_worded(client: Client) -> None:
    study = make_study("worded")
    code = make_revision(study, many=["hope"]).dimensions.get().codes.get()
    Wording.objects.create(code=code, language="ar", texts={"label": "أمل"})
    client.force_login(make_person(study=study, role=Role.READER))
    client.post("/i18n/setlang/", {"language": "ar", "next": "/"})
    page = client.get("/studies/worded/codebook/").content.decode()
    assert '<bdi lang="ar">أمل</bdi>' in page


def test_without_a_codebook_the_page_says_how_to_get_one(client: Client) -> None:
    study = make_study("empty")
    client.force_login(make_person(study=study, role=Role.LEAD))
    page = client.get("/studies/empty/codebook/").content.decode()
    assert 0 < page.index('type="file"') < page.index("import_codebook empty")


@pytest.mark.parametrize("number", ["²", "x", "-1", "99999999999999999999999999", "%00"])
def test_a_revision_that_is_no_number_is_not_an_error(client: Client, number: str) -> None:
    study = make_study("asked")
    make_revision(study)
    client.force_login(make_person(study=study, role=Role.LEAD))
    assert client.get("/studies/asked/codebook/", {"revision": number}).status_code == 200


@pytest.mark.parametrize("kind", ["yaml", "csv", "xlsx", "qdc"])
def test_whoever_sees_the_codebook_has_the_revision_shown_as_a_file(
    client: Client, kind: str
) -> None:
    study = make_study("files")
    first = freeze(keep(study, book()))
    keep(study, changed())
    for role in Role:
        client.force_login(make_person(role, study, role))
        page = client.get("/studies/files/codebook/", {"revision": first.pk}).content.decode()
        address = f"/studies/files/codebook/{first.pk}.{kind}"
        assert f'href="{address}" download' in page
        answer = client.get(address)
        assert answer["Content-Disposition"] == f'attachment; filename="files-hopes-1.{kind}"'
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert parsed(answer.content, f"b.{kind}") == as_book(first)
        assert study.events.latest("pk").name == role


def test_asking_for_the_head_of_a_file_takes_nothing_out(client: Client) -> None:
    study = make_study("files")
    revision = keep(study, book())
    client.force_login(make_person(study=study, role=Role.LEAD))
    address = f"/studies/files/codebook/{revision.pk}.yaml"
    head, got = client.head(address), client.get(address)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Length"] == str(len(got.content))
    assert study.events.filter(action="codebook_exported").count() == 1


def test_a_file_of_another_study_or_another_form_is_not_there(client: Client) -> None:
    study = make_study("files")
    own, other = keep(study, book()), keep(make_study("other"), book())
    client.force_login(make_person(study=study, role=Role.LEAD))
    for name in (f"{other.pk}.csv", f"{own.pk}.exe", f"{own.pk}.tsv", "9" * 30 + ".csv"):
        assert client.get(f"/studies/files/codebook/{name}").status_code == 404
    assert study.events.count() == 1


def test_what_a_table_cannot_carry_is_said_beside_the_files(client: Client) -> None:
    study = make_study("losses")
    text = YAML.replace("Gano poco.", '"one\\ntwo"')
    keep(study, parsed(text.encode(), "b.yaml"))
    client.force_login(make_person(study=study, role=Role.READER))
    page = client.get("/studies/losses/codebook/").content.decode()
    assert "An example of “pay” has lost its line breaks." in page


def test_what_a_qdc_cannot_carry_is_said_beside_the_files(client: Client) -> None:
    study = make_study("losses")
    first = "      - {key: home, label: Home, parent: work}\n"
    text = YAML.replace("      - {key: work,", f"{first}      - {{key: work,")
    keep(study, book(text))
    client.force_login(make_person(study=study, role=Role.READER))
    page = client.get("/studies/losses/codebook/").content.decode()
    assert "The codes of “Worries” stand in another order in it" in page


def test_a_revision_without_dimensions_has_a_page_and_no_qdc(client: Client) -> None:
    study = make_study("bare")
    revision = make_revision(study)
    revision.dimensions.all().delete()
    client.force_login(make_person(study=study, role=Role.READER))
    assert client.get("/studies/bare/codebook/").status_code == 200
    assert client.get(f"/studies/bare/codebook/{revision.pk}.qdc").status_code == 404


def test_what_changed_between_two_revisions_is_for_all_who_see_the_codebook(
    client: Client,
) -> None:
    study = make_study("changes")
    first = freeze(keep(study, book()))
    second = keep(study, changed())
    client.force_login(make_person(study=study, role=Role.CODER))
    page = client.get("/studies/changes/codebook/").content.decode()
    link = f"/studies/changes/codebook/changes/?first={first.pk}&amp;second={second.pk}"
    assert f'href="{link}"' in page
    for asked in (link.replace("&amp;", "&"), "/studies/changes/codebook/changes/"):
        page = client.get(asked).content.decode()
        assert "<del>Pay</del> <ins>Wage</ins>" in page
        assert "What revision 2 says otherwise than revision 1" in page
        assert "1 code stays as it is." in page
        assert "/drift/" not in page
    same = client.get("/studies/changes/codebook/changes/", {"first": second.pk})
    assert "the same revision twice" in same.content.decode()
    for odd in ("first=x", "first=²&second=%00", f"first={'9' * 30}"):
        assert client.get(f"/studies/changes/codebook/changes/?{odd}").status_code == 200


def test_what_changed_leads_on_to_what_was_decided_otherwise(client: Client) -> None:
    study = make_study("changes")
    first = freeze(keep(study, book()))
    text = YAML.replace("{key: pay,", "{key: wage,")
    second = keep(study, parsed(text.encode(), "b.yaml"))
    segment = make_segment("Gano poco.", study)
    person = make_person("ben", study)
    for revision in (first, second):
        make_coding(segment, revision, person=person)
    client.force_login(make_person("ana", study, Role.LEAD))
    page = client.get("/studies/changes/codebook/changes/").content.decode()
    link = f"/studies/changes/drift/?first={first.pk}&amp;second={second.pk}"
    mapped = f"{link}&amp;map=worries/pay%3Dworries/wage"
    assert f'href="{mapped}"' in page
    drift = client.get(mapped.replace("&amp;", "&"))
    assert drift.status_code == 200
    assert "worries/pay=worries/wage" in drift.content.decode()
    assert "codebook/changes/" in drift.content.decode()


def test_a_codebook_without_a_second_revision_has_nothing_to_compare(client: Client) -> None:
    study = make_study("alone")
    client.force_login(make_person(study=study, role=Role.READER))
    for _time in range(2):
        page = client.get("/studies/alone/codebook/changes/").content.decode()
        assert "nothing to compare yet" in page
        keep(study, book())


def test_a_codebook_taken_over_is_compared_with_where_it_came_from(client: Client) -> None:
    study, elsewhere = make_study("taken"), make_study("elsewhere")
    source = keep(elsewhere, book())
    keep(study, book(), source=source)
    keep(study, changed())
    reader = make_person("ana", study, Role.READER)
    client.force_login(reader)
    page = client.get("/studies/taken/codebook/").content.decode()
    assert "Taken over from another study, which is not open to you." in page
    assert "elsewhere" not in page.lower()
    assert (
        "nothing to compare yet" in client.get("/studies/taken/codebook/changes/").content.decode()
    )
    elsewhere.memberships.create(person=reader, name="ana", role=Role.READER)
    page = client.get("/studies/taken/codebook/").content.decode()
    assert 'href="/studies/elsewhere/codebook/"' in page
    assert "What changed since it was taken over?" in page
    page = client.get("/studies/taken/codebook/changes/").content.decode()
    assert "<del>Pay</del> <ins>Wage</ins>" in page
    assert "revision 1 · Hopes · Elsewhere" in page
