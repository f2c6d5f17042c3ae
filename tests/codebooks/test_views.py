import pytest
from django.test import Client

from codebooks.models import Wording
from studies.models import Role
from tests.factories import make_person, make_revision, make_study

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
    assert "import_codebook empty" in client.get("/studies/empty/codebook/").content.decode()


@pytest.mark.parametrize("number", ["²", "x", "-1", "99999999999999999999999999", "%00"])
def test_a_revision_that_is_no_number_is_not_an_error(client: Client, number: str) -> None:
    study = make_study("asked")
    make_revision(study)
    client.force_login(make_person(study=study, role=Role.LEAD))
    assert client.get("/studies/asked/codebook/", {"revision": number}).status_code == 200
