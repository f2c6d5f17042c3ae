"""Codebooks come out of files and go into them; every mistake is named with its place."""

import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codebooks.exchange import (
    Book,
    CodeSpec,
    DimensionSpec,
    Example,
    Mistakes,
    WordingSpec,
    digest,
    key_from,
    read,
    settled,
    write,
)
from codebooks.exchange.books import is_key
from studies.problems import Problem

YAML = """\
# Fictional.
name: Hopes and worries
language: en
dimensions:
  - key: worries
    label: Worries
    question: Which worries does the participant voice?
    kind: many
    wordings: {de: {label: Sorgen, question: Welche Sorgen?}}
    codes:
      - key: unreliability
        label: Unreliability
        definition: Answers are wrong.
        include: invented sources
        exclude: outages
        color: "#0072B2"
        examples:
          - I check everything.
          - {text: Das stimmt nie., language: de}
        wordings:
          de: {label: Unzuverlässigkeit, examples: [Ich prüfe alles.]}
          no: {label: Upålitelighet}
      - {key: work, label: Work}
      - {label: Loss of work, parent: work, color: "#abc"}
  - key: stance
    kind: one
    codes: [welcoming, rejecting]
  - label: Vertrauen / Größe
    kind: scale
    scale: {minimum: -0.5, maximum: 100, low: none at all, high: all of it}
"""
BOOK = Book(
    name="Hopes and worries",
    language="en",
    dimensions=(
        DimensionSpec(
            key="worries",
            label="Worries",
            kind="many",
            question="Which worries does the participant voice?",
            wordings=(WordingSpec("de", (("label", "Sorgen"), ("question", "Welche Sorgen?"))),),
            codes=(
                CodeSpec(
                    key="unreliability",
                    label="Unreliability",
                    definition="Answers are wrong.",
                    include="invented sources",
                    exclude="outages",
                    color="#0072B2",
                    examples=(
                        Example("I check everything.", "en"),
                        Example("Das stimmt nie.", "de"),
                        Example("Ich prüfe alles.", "de"),
                    ),
                    wordings=(
                        WordingSpec("de", (("label", "Unzuverlässigkeit"),)),
                        WordingSpec("no", (("label", "Upålitelighet"),)),
                    ),
                ),
                CodeSpec("work", "Work"),
                CodeSpec("loss_of_work", "Loss of work", parent="work", color="#aabbcc"),
            ),
        ),
        DimensionSpec(
            key="stance",
            label="Stance",
            kind="one",
            codes=(CodeSpec("welcoming", "welcoming"), CodeSpec("rejecting", "rejecting")),
        ),
        DimensionSpec(
            key="vertrauen_grosse",
            label="Vertrauen / Größe",
            kind="scale",
            minimum=-0.5,
            maximum=100,
            low="none at all",
            high="all of it",
        ),
    ),
)


def given_file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def mistakes_in(folder: Path, name: str, content: str | bytes) -> list[str]:
    """The mistakes of a file, each as "place: sentence"."""
    with pytest.raises(Mistakes) as caught:
        read(given_file(folder, name, content))
    assert str(caught.value).startswith(f"{name} can’t be used as a codebook. ")
    return [f"{place}: {Mistakes(name, [(place, what)])}" for place, what in caught.value.found]


def test_a_yaml_codebook_is_read_whole(tmp_path: Path) -> None:
    assert read(given_file(tmp_path, "book.yaml", YAML)) == BOOK


@pytest.mark.parametrize("form", ["yaml", "yml", "csv", "tsv", "xlsx"])
def test_what_is_written_comes_back_equal(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"book.{form}"
    assert write(BOOK, path) == []
    assert read(path) == BOOK
    assert [other.name for other in tmp_path.iterdir()] == [path.name]


def text(least: int = 0, most: int = 20) -> st.SearchStrategy[str]:
    """Texts of any script that begin and end with no white space, formulas among them."""
    anything = st.text(
        st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"),
        max_size=most,
    )
    formulas = st.sampled_from(["=1+1", "+49 30", "-5", "@SUM(A1)", "'=x", "''-", "- no", "'tis"])
    lines = st.lists(anything | formulas, max_size=3).map("\n".join)
    return lines.map(str.strip).filter(lambda found: len(found) >= least)


def line(least: int = 1) -> st.SearchStrategy[str]:
    return text(least).map(lambda found: " ".join(found.split())).filter(lambda x: len(x) >= least)


KEYS = st.from_regex(r"[a-zA-Z0-9_][-a-zA-Z0-9_]{0,10}", fullmatch=True)
LANGUAGES = st.sampled_from(["de", "no", "zh-Hant", "ar", "pt-BR"])


@st.composite
def books(draw: st.DrawFn) -> Book:
    """A codebook as one could be read: with everything that may stand in it."""

    def wordings(*names: str) -> tuple[WordingSpec, ...]:
        found = []
        for language in draw(st.lists(LANGUAGES, unique=True, max_size=2)):
            texts = [(name, draw(line() if name == "label" else text())) for name in names]
            if kept := tuple((name, given) for name, given in texts if given):
                found.append(WordingSpec(language, kept))
        return tuple(found)

    dimensions = []
    for key in draw(st.lists(KEYS, min_size=1, max_size=3, unique=True)):
        kind = draw(st.sampled_from(["many", "one", "scale"]))
        scale = kind == "scale"
        minimum = draw(st.floats(-1e6, 1e6)) + 0.0
        codes: list[CodeSpec] = []
        keys = [] if scale else draw(st.lists(KEYS, min_size=1, max_size=4, unique=True))
        for number, code in enumerate(keys):
            examples = st.builds(Example, text(1), LANGUAGES | st.just("en"))
            codes.append(
                CodeSpec(
                    key=code,
                    label=draw(line()),
                    definition=draw(text()),
                    include=draw(text()),
                    exclude=draw(text()),
                    examples=tuple(draw(st.lists(examples, max_size=3))),
                    parent=draw(st.sampled_from(["", *keys[:number]])),
                    color=draw(st.sampled_from(["", "#0072B2", "#ffffff"])),
                    wordings=wordings("label", "definition", "include", "exclude"),
                )
            )
        dimensions.append(
            DimensionSpec(
                key=key,
                label=draw(line()),
                kind=kind,  # type: ignore[arg-type]  # one of the three
                question=draw(text()),
                minimum=minimum if scale else None,
                maximum=minimum + draw(st.floats(1, 1e6)) if scale else None,
                low=draw(text()) if scale else "",
                high=draw(text()) if scale else "",
                codes=tuple(codes),
                wordings=wordings("label", "question", *(("low", "high") if scale else ())),
            )
        )
    return settled(Book(draw(line()), "en", tuple(dimensions)))


@pytest.mark.parametrize("form", ["yaml", "csv", "xlsx"])
@given(book=books())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_codebook_comes_back_equal_or_its_losses_are_named(
    tmp_path: Path, form: str, book: Book
) -> None:
    losses = write(book, tmp_path / f"book.{form}")
    again = read(tmp_path / f"book.{form}")
    if form == "yaml":
        assert losses == []
    if losses:
        assert all("line breaks" in str(loss) for loss in losses)
        assert without_examples(again) == without_examples(book)
    else:
        assert again == book
        assert digest(again) == digest(book)


def without_examples(book: Book) -> Book:
    return replace(
        book,
        dimensions=tuple(
            replace(one, codes=tuple(replace(code, examples=()) for code in one.codes))
            for one in book.dimensions
        ),
    )


@given(line())
def test_a_key_is_always_made_and_always_the_same(label: str) -> None:
    assert is_key(key_from(label))
    assert key_from(label) == key_from(label)


def test_labels_in_other_scripts_get_keys_of_their_own() -> None:
    labels = ["不信", "信頼", "ثقة", "विश्वास", "ความไว้วางใจ", "Доверие", "AI 不信", "😀"]
    assert len({key_from(label) for label in labels}) == len(labels)
    assert key_from("Größe & Maß") == "grosse_mass"
    assert key_from("Đặt câu hỏi") == "dat_cau_hoi"


def test_labels_that_differ_in_punctuation_alone_get_different_keys(tmp_path: Path) -> None:
    content = "dimensions: [{key: a, kind: many, codes: [A+, A-, A 2]}]"
    (dimension,) = read(given_file(tmp_path, "b.yaml", content)).dimensions
    assert [code.key for code in dimension.codes] == ["a", "a_2", "a_2_2"]
    content = "dimensions: [{key: a, kind: many, codes: [{key: A 1}, {key: A+1}, {key: A 1}]}]"
    with pytest.raises(Mistakes, match="The key “a_1” is used twice"):
        read(given_file(tmp_path, "b.yaml", content))


@pytest.mark.parametrize("form", [".yaml", ".csv", ".tsv", ".xlsx"])
def test_a_dimension_whose_codes_stand_in_an_order_comes_back_so(form: str, tmp_path: Path) -> None:
    codes = tuple(CodeSpec(key, key.title()) for key in ("bad", "mixed", "good"))
    book = Book(
        "stances",
        dimensions=(
            DimensionSpec("stance", "Stance", "one", codes=codes, ordered=True),
            DimensionSpec("role", "Role", "one", codes=codes),
        ),
    )
    path = tmp_path / f"stances{form}"
    write(book, path)
    again = read(path)
    assert [dimension.ordered for dimension in again.dimensions] == [True, False]
    assert [dimension.kind for dimension in again.dimensions] == ["one", "one"]
    assert digest(again) == digest(book)


def test_that_codes_stand_in_an_order_is_content_and_none_is_as_before() -> None:
    plain = Book("b", dimensions=(DimensionSpec("s", "S", "one", codes=(CodeSpec("a", "A"),)),))
    # The digest of this book before there were ordered dimensions.
    assert digest(plain) == "432c69422b6331a2a59b3df9de1b8012c1ff1e89f8e7fc158b6c65cc29429362"
    ordered = replace(plain, dimensions=(replace(plain.dimensions[0], ordered=True),))
    assert digest(ordered) != digest(plain)


def test_the_digest_knows_the_content_and_not_the_name() -> None:
    assert digest(BOOK) == digest(replace(BOOK, name="Another"))
    (first, *others) = BOOK.dimensions
    changed = replace(BOOK, dimensions=(replace(first, question="Why?"), *others))
    assert digest(BOOK) != digest(changed)


# ---- mistakes ------------------------------------------------------------------------------------

HEAD = "name: b\ndimensions:\n  - key: a\n    kind: many\n"
ONE = "    codes: [{key: x}]\n"


@pytest.mark.parametrize(
    ("content", "place", "sentence"),
    [
        ("", "line 1", "The file is empty."),
        ("# only a comment\n", "line 1", "The file is empty."),
        ("- a\n- b\n", "line 1", "Here must stand names with values"),
        ("name: [a\n", "line 2", "This is no YAML: "),
        ("a: b: c\n", "line 1", "This is no YAML: "),
        ("name: x\n---\nname: y\n", "line 2", "This is no YAML: "),
        ("name: x\n", "line 1", "There is no dimension"),
        ("dimensions: 5\n", "line 1", "“dimensions” must be a list"),
        ("dimensions:\n  - worries\n", "line 2", "Here must stand names with values"),
        (HEAD + ONE + "    kolor: red\n", "line 6", "“kolor” is not known here; known are: key"),
        (HEAD + ONE + "    key: b\n", "line 6", "“key” stands here twice."),
        ("dimensions:\n  - key: a\n" + ONE, "line 2", "“a” has no kind: one, many or scale."),
        ("dimensions:\n  - key: a\n    kind: few\n" + ONE, "line 3", "“few” is no kind"),
        (HEAD, "line 3", "“a” has no codes"),
        (HEAD + "    codes: []\n", "line 3", "“a” has no codes"),
        (HEAD + ONE + "    scale: {minimum: 1}\n", "line 6", "Only a scale has “minimum”."),
        ("dimensions:\n  - {key: a, kind: scale}\n", "line 2", "The scale “a” has no minimum."),
        (
            "dimensions:\n  - key: a\n    kind: scale\n    scale:\n      minimum: 3\n"
            "      maximum: 3\n",
            "line 6",
            "The scale “a” must go up: its minimum is 3 and its maximum 3.",
        ),
        (
            "dimensions:\n  - {key: a, kind: scale, scale: {minimum: low, maximum: .inf}}",
            "line 2",
            "“low” is no number.",
        ),
        (
            "dimensions:\n  - {key: a, kind: scale, scale: {minimum: 1, maximum: 2}, codes: [b]}",
            "line 2",
            "The scale “a” can’t have codes.",
        ),
        (
            HEAD + ONE + "  - key: a\n    kind: one\n" + ONE,
            "line 6",
            "The key “a” is used twice (first: line 3).",
        ),
        (HEAD + "    codes:\n      - x\n      - {key: x}\n", "line 7", "The key “x” is used twice"),
        (
            HEAD + "    codes:\n      - definition: x\n",
            "line 6",
            "There is neither a key nor a label.",
        ),
        (HEAD + "    codes: [{key: x, parent: y}]\n", "line 5", "The parent “y” is no code"),
        (
            HEAD + "    codes:\n      - {key: x, parent: y}\n      - {key: y, parent: x}\n",
            "line 6",
            "“x” is above itself",
        ),
        (HEAD + "    codes: [{key: x, parent: x}]\n", "line 5", "“x” is above itself"),
        (HEAD + "    codes: [{key: x, color: red}]\n", "line 5", "“red” is no colour"),
        (HEAD + "    codes: [{key: x, label: [a]}]\n", "line 5", "“label” must be a text"),
        (HEAD + "    codes: [{key: x, examples: yes}]\n", "line 5", "“examples” must be a list"),
        (HEAD + f"    codes: [{{key: x, label: {'a' * 201}}}]\n", "line 5", "The label is longer"),
        (HEAD + f"    codes: [{{key: {'a' * 81}}}]\n", "line 5", "The key is longer"),
        ("language: German\n" + HEAD + ONE, "line 1", "“German” is no language code"),
        (HEAD + "    wordings: {en: {label: A}}\n" + ONE, "line 5", "“en” is the codebook’s own"),
        (HEAD + "    wordings: {de: {labl: A}}\n" + ONE, "line 5", "“labl” is not known here"),
        (
            HEAD + '    question: "a\\x00b"\n' + ONE,
            "line 5",
            "There is a character that is no text (U+0000)",
        ),
        (
            HEAD + "    question: a\x07b\n" + ONE,
            "line 5",
            "There is a character that is no text (U+0007)",
        ),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "line 2", "“*a” stands for another place"),
        ("[" * 5000, "line 1", "Lists are nested too deep."),
        ("name: Größe".encode("cp1252"), "line 1", "The file is not in UTF-8"),
        (b"name: x\nlabel: \xff\n", "line 2", "The file is not in UTF-8"),
        ("!!python/object/apply:os.system [ls]", "line 1", "Here must stand names with values"),
    ],
)
def test_a_mistake_in_yaml_is_named_with_its_line(
    tmp_path: Path, content: str | bytes, place: str, sentence: str
) -> None:
    found = mistakes_in(tmp_path, "b.yaml", content)
    assert any(one.startswith(f"{place}: ") and sentence in one for one in found), found


TABLE = "dimension,kind,code,label,color,parent,minimum,maximum,definition\n"


@pytest.mark.parametrize(
    ("content", "place", "sentence"),
    [
        ("", "row 1", "The file is empty."),
        ("\n\n,,\n", "row 1", "The file is empty."),
        (TABLE, "row 1", "There is no dimension"),
        ("dimension,kind,code,wieght2\na,many,b,3\n", "row 1", "The column “wieght2” is not known"),
        ("dimension,kind,code,code\na,many,b,c\n", "row 1", "There are two columns “code”."),
        (TABLE + "a,several,b\n", "row 2, column kind", "“several” is no kind"),
        (TABLE + "a,,b\n", "row 2", "“a” has no kind"),
        (TABLE + "a,many,b\na,one,c\n", "row 3, column kind", "“a” is already “many”"),
        (TABLE + "a,many,b\n\n,many,c\n", "row 4", "The column “dimension” is empty."),
        (TABLE + "a,many,b\na,many,,A\na,many,,B\n", "row 4", "The column “code” is empty."),
        (TABLE + "a,many,b\na,many,,A,#fff\n", "row 3, column color", "has no “color”"),
        (TABLE + "a,many,b,,blue\n", "row 2, column color", "“blue” is no colour"),
        (TABLE + "a,many,b,,,z\n", "row 2, column parent", "The parent “z” is no code"),
        (
            TABLE + "a,many,b\na,many,b\n",
            "row 3, column code",
            "The key “b” is used twice (first: row 2)",
        ),
        (TABLE + "a,scale\n", "row 2", "The scale “a” has no minimum."),
        (TABLE + "a,scale,,,,,5,1\n", "row 2, column maximum", "must go up"),
        (TABLE + "a,scale,,,,,-1e308,1e308\n", "row 2", "must lie between"),
        (TABLE + "a,scale,,,,,1,1e10\n", "row 2", "must lie between"),
        (TABLE + "a,scale,,,,,x,1\n", "row 2, column minimum", "“x” is no number."),
        (
            TABLE + "a,many,b,,,,,,d,more\n",
            "row 2",
            "There are more cells than the first row names.",
        ),
        (TABLE + "a,many,b,\x00\n", "row 2, column label", "no text (U+0000)"),
        (TABLE + 'a,many,b,"open\n', "row 2", "This is no CSV: "),
        ("dimension;kind\nGröße;x".encode("cp1252"), "line 2", "The file is not in UTF-8"),
        ("tag,description\na,x\na,y\n", "row 3, column tag", "“a” is named twice."),
    ],
)
def test_a_mistake_in_a_table_is_named_with_its_row_and_column(
    tmp_path: Path, content: str | bytes, place: str, sentence: str
) -> None:
    found = mistakes_in(tmp_path, "b.csv", content)
    assert any(one.startswith(f"{place}: ") and sentence in one for one in found), found


def test_a_mistake_in_a_spreadsheet_is_named_with_its_row_and_column(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["Dimension", "Kind", "Code"], ["a", "many", "b"], [], ["a", "two", 7.0]):
        book.active.append(row)
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(
        Mistakes, match=r"Row 4, column Kind: The dimension “a” is already “many”\."
    ):
        read(tmp_path / "b.xlsx")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_what_is_no_spreadsheet_is_named(tmp_path: Path, content: bytes) -> None:
    (found,) = mistakes_in(tmp_path, "b.xlsx", content)
    assert "is damaged or not what its name says" in found


def test_a_zip_that_is_no_spreadsheet_and_one_too_large_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as packed:
        packed.writestr("readme.txt", "x")
    with pytest.raises(Mistakes, match="This is no XLSX"):
        read(tmp_path / "b.xlsx")
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * 100_000_001)
    with pytest.raises(Mistakes, match="unpacks to more than 100 MB"):
        read(tmp_path / "b.xlsx")


def packed_sheet(folder: Path, rows: str, before: str = "") -> Path:
    """A spreadsheet whose only sheet is written by hand."""
    path = folder / "b.xlsx"
    book = openpyxl.Workbook()
    book.save(path)
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'{before}<worksheet xmlns="{space}">{rows}</worksheet>'
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, part in parts.items():
            whole.writestr(name, part)
    return path


@pytest.mark.parametrize(
    ("rows", "before", "sentence"),
    [
        ('<sheetData><row r="1"><c r="XFD1"><v>1</v></c></row></sheetData>', "", "too wide"),
        ('<sheetData><row r="99999999"><c><v>1</v></c></row></sheetData>', "", "too wide or too"),
        ("<sheetData/>", '<!DOCTYPE a [<!ENTITY b "c">]>', "declares a document type"),
        ("<sheetData><row></sheetData>", "", "This is no XLSX that can be read"),
    ],
)
def test_a_spreadsheet_that_is_made_to_burst_is_refused(
    tmp_path: Path, rows: str, before: str, sentence: str
) -> None:
    with pytest.raises(Mistakes, match=sentence):
        read(packed_sheet(tmp_path, rows, before))


def test_what_a_spreadsheet_says_of_its_own_size_does_not_matter(tmp_path: Path) -> None:
    cells = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in ("code", "label"))
    rows = f'<dimension ref="A1:XFD1048576"/><sheetData><row>{cells}</row><row>{cells}</row>'
    (dimension,) = read(packed_sheet(tmp_path, f"{rows}</sheetData>")).dimensions
    assert [(code.key, code.label) for code in dimension.codes] == [("code", "label")]


def test_a_table_without_end_is_refused(tmp_path: Path) -> None:
    content = "code,label\n" + "".join(f"c{n},C\n" for n in range(100_001))
    with pytest.raises(Mistakes, match="more than 100,000 rows"):
        read(given_file(tmp_path, "b.csv", content))


def test_a_yaml_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codebooks.exchange.yamls.MOST", 50)
    with pytest.raises(Mistakes, match="Line 49: There are too many entries"):
        read(given_file(tmp_path, "b.yaml", "- a\n" * 100))


def test_thousands_of_codes_below_each_other_are_read_at_once(tmp_path: Path) -> None:
    codes = "".join(f"{{label: c{n}, parent: c{n // 2}}}, " for n in range(1, 20_001))
    content = f"dimensions: [{{key: a, kind: many, codes: [c0, {codes}]}}]"
    (dimension,) = read(given_file(tmp_path, "b.yaml", content)).dimensions
    assert dimension.codes[-1].parent == "c10000"


def test_all_mistakes_of_a_file_are_told_at_once_the_first_in_full(tmp_path: Path) -> None:
    codes = "".join(f"      - {{key: c{n}, color: red}}\n" for n in range(8))
    with pytest.raises(Mistakes) as caught:
        read(given_file(tmp_path, "b.yaml", HEAD + "    codes:\n" + codes))
    assert str(caught.value).count("is no colour") == 5
    assert str(caught.value).endswith("And 3 more mistakes.")


def test_a_mistake_is_told_in_the_readers_language(tmp_path: Path) -> None:
    with pytest.raises(Mistakes) as caught:
        read(given_file(tmp_path, "b.yaml", HEAD + "    codes: [x, x]\n"))
    assert "ZEILE 5: “x” is named twice." in caught.value.sentence(
        lambda message: message.replace("line %(line)s", "ZEILE %(line)s")
    )


@pytest.mark.parametrize("name", ["book.pdf", "book.txt", "book"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Problem, match=r"ends in \.yaml"):
        read(given_file(tmp_path, name, YAML))
    with pytest.raises(Problem, match=r"ends in \.yaml"):
        write(BOOK, tmp_path / name)


def test_a_file_that_is_not_there_or_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"can’t be read: No such file"):
        read(tmp_path / "book.yaml")
    with pytest.raises(Problem, match=r"can’t be written: No such file"):
        write(BOOK, tmp_path / "nowhere" / "book.yaml")
    with (tmp_path / "book.csv").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(Problem, match="larger than 20 MB"):
        read(tmp_path / "book.csv")


# ---- tables of people and of other programs ------------------------------------------------------


def codes_of(folder: Path, name: str, content: str | bytes) -> list[CodeSpec]:
    (dimension,) = read(given_file(folder, name, content)).dimensions
    return list(dimension.codes)


def test_a_table_written_by_hand_is_understood(tmp_path: Path) -> None:
    content = (
        "\ufeffDimension;Kind;Label;Memo;Examples;Colour;Parent;label:de\r\n"
        "Worries about AI;Many;Loss of work;Jobs go.;One | Two;0072B2;;Arbeit\r\n"
        "Worries about AI;;Pay;;;;Loss of work;\r\n"
    )
    book = read(given_file(tmp_path, "my codes.csv", content))
    assert book.name == "my codes"
    (dimension,) = book.dimensions
    assert (dimension.key, dimension.label) == ("worries_about_ai", "Worries about AI")
    assert dimension.codes == (
        CodeSpec(
            "loss_of_work",
            "Loss of work",
            definition="Jobs go.",
            examples=(Example("One", "en"), Example("Two", "en")),
            color="#0072B2",
            wordings=(WordingSpec("de", (("label", "Arbeit"),)),),
        ),
        CodeSpec("pay", "Pay", parent="loss_of_work"),
    )


def test_a_table_without_dimensions_is_one_dimension(tmp_path: Path) -> None:
    codes = codes_of(tmp_path, "themes.csv", "code,label,definition\na,A,first\nb,B,second\n")
    assert [(code.key, code.definition) for code in codes] == [("a", "first"), ("b", "second")]


def test_a_codebook_of_taguette_keeps_its_tree(tmp_path: Path) -> None:
    content = (
        "tag,description,number of highlights,number of documents\r\n"
        "interesting,Further review required,0,0\r\n"
        "attitude,Container,0,0\r\n"
        "attitude.trust,Trust in AI. Include: explicit confidence. Exclude: mere use.,4,4\r\n"
        'attitude.worry,"Worry about AI <jobs> & ""risk""",4,4\r\n'
        "thème.écrit,Accented tag,0,0\r\n"
        "信頼,Non-Latin tag name,0,0\r\n"
    )
    codes = codes_of(tmp_path, "taguette.csv", content)
    assert [(code.key, code.label, code.parent) for code in codes[:5]] == [
        ("interesting", "interesting", ""),
        ("attitude", "attitude", ""),
        ("attitude_trust", "trust", "attitude"),
        ("attitude_worry", "worry", "attitude"),
        ("theme_ecrit", "thème.écrit", ""),
    ]
    assert codes[2].definition == "Trust in AI."
    assert (codes[2].include, codes[2].exclude) == ("explicit confidence.", "mere use.")
    assert codes[5].label == "信頼"


def test_a_code_system_of_maxqda_keeps_its_tree(tmp_path: Path) -> None:
    content = (
        "Color;Parent code;Code;Code memo;Cod. seg. (all documents)\n"
        "#ff0000;Worries;Pay;Too little;2\n"
        ";;Worries;All of them;0\n"
        ";Worries > Work;Loss;;1\n"
    )
    codes = codes_of(tmp_path, "maxqda.csv", content)
    assert [(code.key, code.label, code.parent, code.definition) for code in codes] == [
        ("worries", "Worries", "", "All of them"),
        ("worries_pay", "Pay", "worries", "Too little"),
        ("worries_work", "Work", "worries", ""),
        ("worries_work_loss", "Loss", "worries_work", ""),
    ]
    codes = codes_of(tmp_path, "maxqda.csv", "Code,Memo\nA > B,x\nA\\C,y\n")
    assert [(code.label, code.parent) for code in codes] == [("A", ""), ("B", "a"), ("C", "a")]


def test_no_cell_that_is_written_is_a_formula(tmp_path: Path) -> None:
    code = CodeSpec("a", "=HYPERLINK(0)", definition="@SUM(A1)", include="-x", exclude="+y")
    book = Book("=cmd", "en", (DimensionSpec("d", "D", "many", codes=(code,)),))
    assert write(book, tmp_path / "b.csv") == []
    assert write(book, tmp_path / "b.xlsx") == []
    assert "\n=" not in (tmp_path / "b.csv").read_text().replace(",", "\n")
    sheet = openpyxl.load_workbook(tmp_path / "b.xlsx").active
    assert sheet is not None
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    assert read(tmp_path / "b.csv") == read(tmp_path / "b.xlsx") == book


def test_what_a_cell_cannot_hold_is_said(tmp_path: Path) -> None:
    code = CodeSpec("a", "A", definition="x" * 40_000, examples=(Example("one\ntwo", "en"),))
    book = Book("b", "en", (DimensionSpec("d", "D", "many", codes=(code,)),))
    assert [str(loss) for loss in write(book, tmp_path / "b.xlsx")] == [
        "An example of “a” has lost its line breaks.",
        "Row 3, column definition: cut off after 32,767 characters.",
    ]
    assert [str(loss) for loss in write(book, tmp_path / "b.csv")] == [
        "An example of “a” has lost its line breaks."
    ]
