"""A revision becomes a file, and the trail knows who took it."""

from pathlib import Path

import pytest

from codebooks.exchange import parsed, read
from codebooks.exports import export_codebook, file_of
from codebooks.imports import keep
from codebooks.revisions import as_book
from studies.problems import Problem
from tests.codebooks.test_imports import book
from tests.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("form", [".yaml", ".csv", ".xlsx", ".qdc"])
def test_a_file_and_its_bytes_say_what_the_revision_says(tmp_path: Path, form: str) -> None:
    study = make_study()
    revision = keep(study, book())
    assert export_codebook(revision, tmp_path / f"b{form}") == []
    assert read(tmp_path / f"b{form}") == as_book(revision)
    assert parsed(file_of(revision, form), f"b{form}") == as_book(revision)
    said = study.events.filter(action="codebook_exported").values_list("subject", "after")
    after = {"form": form[1:], "digest": revision.digest}
    assert list(said) == [("Hopes 1", after)] * 2


def test_what_could_not_be_written_leaves_no_line(tmp_path: Path) -> None:
    study = make_study()
    revision = keep(study, book())
    with pytest.raises(Problem, match="can’t be written"):
        export_codebook(revision, tmp_path / "nowhere" / "b.csv")
    assert not study.events.filter(action="codebook_exported").exists()


def test_a_qdc_names_codes_by_the_guids_that_they_keep(tmp_path: Path) -> None:
    revision = keep(make_study(), book())
    again = parsed(file_of(revision, ".qdc"), "b.qdc")
    worries, trust = again.dimensions
    guids = {
        code.key: str(code.guid) for one in revision.dimensions.all() for code in one.codes.all()
    }
    assert {code.key: code.guid for code in worries.codes} | {"trust": trust.guid} == guids
