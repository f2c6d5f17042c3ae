"""The codebook's doors in the terminal."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_study

pytestmark = pytest.mark.django_db

CSV = """\
dimension,kind,code,label,minimum,maximum,examples
worries,many,pay,Pay,,,"one
two"
worries,many,work,Work,,,
trust,scale,,Trust,0,100,
"""


def run(command: str, *arguments: object) -> Any:
    out = StringIO()
    call_command(command, *map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "worries.csv"
    path.write_text(CSV)
    return path


def test_a_codebook_goes_in_and_comes_out_the_same(book: Path, tmp_path: Path) -> None:
    make_study("s")
    result = run("import_codebook", "s", book)
    digest = result.pop("digest")
    assert result == {
        "study": "s",
        "codebook": "worries",
        "revision": 1,
        "frozen": False,
        "dimensions": 2,
        "codes": 2,
        "scales": 1,
    }
    for name in ("out.yaml", "out.xlsx", "out.csv"):
        exported = run("export_codebook", "s", tmp_path / name)
        assert exported["losses"] == []
        assert run("import_codebook", "s", tmp_path / name)["digest"] == digest


def test_a_name_may_be_given(book: Path) -> None:
    make_study("s")
    assert run("import_codebook", "s", book, "--name", "Mine")["codebook"] == "Mine"


def test_people_read_sentences(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study("s")
    call_command("import_codebook", "s", str(book))
    call_command("export_codebook", "s", str(tmp_path / "o.yaml"))
    said = " ".join(capsys.readouterr().out.split())
    assert "“worries” is now at revision 1. Dimensions: 2, of these scales: 1; codes: 2." in said
    assert "Revision 1 of “worries” is written to" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("import_codebook", "nobody", "x.csv"), "There is no study “nobody”"),
        (("import_codebook", "s", "nothing.csv"), "nothing.csv can’t be read"),
        (("import_codebook", "s", "x.docx"), "x.docx: a codebook is a file that ends in"),
        (("export_codebook", "s", "x.csv"), "The study “s” has no codebook yet"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    make_study("s")
    with pytest.raises(CommandError, match=sentence):
        call_command(*arguments)
