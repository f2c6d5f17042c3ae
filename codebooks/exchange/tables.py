"""Codebooks as tables, CSV or XLSX: a row a code, and a row for each dimension itself.

Wordings stand in columns such as `label:de`, examples in that language in `examples:de`. Tables
that Taguette and MAXQDA export are understood too. A cell that a spreadsheet would take for a
formula gets an apostrophe in front, which is taken away again when it is read.
"""

import csv
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import openpyxl

from codebooks.exchange.books import CODE_TEXTS, DIMENSION_TEXTS, Book, CodeSpec, DimensionSpec
from codebooks.exchange.checking import Cell, Entry, Notes, parted_memo
from studies.documents import check_office
from studies.problems import Problem, _

COLUMNS = (
    *("dimension", "kind", "code", "label", "parent", "definition", "include", "exclude"),
    *("examples", "color", "question", "minimum", "maximum", "low", "high"),
    *("codebook", "language"),
)
OF_A_CODE = ("parent", "definition", "include", "exclude", "examples", "color")
OF_A_DIMENSION = ("question", "minimum", "maximum", "low", "high")
WORDED = (*CODE_TEXTS, "question", "low", "high", "examples")
# What other programs and people call a column.
ALIASES = {
    **dict.fromkeys(("name", "code name", "bezeichnung"), "label"),
    **dict.fromkeys(("parent code", "parent codes", "obercode", "übergeordneter code"), "parent"),
    **dict.fromkeys(("description", "memo", "code memo", "code-memo", "codememo"), "definition"),
    **dict.fromkeys(("inclusion", "use when", "include when"), "include"),
    **dict.fromkeys(("exclusion", "do not use when", "exclude when"), "exclude"),
    **dict.fromkeys(("example",), "examples"),
    **dict.fromkeys(("colour", "code color", "farbe"), "color"),
}
# What other programs count, which is no part of a codebook.
COUNTS = re.compile(
    r"number of |frequency|häufigkeit|(% )?cod(ed|\.) ?seg|documents|dokumente|author|autor"
    r"|creat|modifi|erstell|geändert|guid|id$|alias|weight"
)
FORMULA = re.compile(r"'*[=+\-@]")
LARGEST = 100 << 20  # bytes an XLSX may hold unpacked
MOST_ROWS = 100_000  # with anything in them; a codebook of a thousand codes has a thousand
MOST_COLUMNS = 2_000
LAST_ROW = 1_048_576  # as spreadsheets have it
LONGEST_CELL = 32_767  # characters, as spreadsheets have it

Row = tuple[int, list[str]]  # its number in the file, from 1, and its cells


def read(lines: Sequence[Row], stem: str, notes: Notes) -> Entry:
    """Return what the table says; the first row that is not empty names the columns."""
    whole = Entry(Problem(_("row %(row)s"), row=1))
    filled = [(number, cells) for number, cells in lines if any(map(str.strip, cells))]
    if not filled:
        notes.add(whole.place, _("The file is empty."))
        notes.raised()
    (number, header), *body = filled
    headers = [" ".join(header_cell.split()).casefold() for header_cell in header]
    if "tag" in headers:
        rows = table(number, header, body, notes, {"tag": "path"})
        return from_paths(whole, rows, stem, ".", notes)
    if "code" in headers and not {"dimension", "kind", "label"} & set(headers):
        rows = table(number, header, body, notes, {"code": "path"})
        return from_paths(whole, rows, stem, ">", notes)
    return own(whole, table(number, header, body, notes, {}), stem, notes)


def table(
    number: int,
    header: Sequence[str],
    body: Iterable[Row],
    notes: Notes,
    aliases: dict[str, str],
) -> list[tuple[Problem, dict[str, Cell]]]:
    """Return the rows with their cells by column; unknown columns are noted."""
    names: list[str] = []
    for title in header:
        name = aliases.get(shown := " ".join(title.split()).casefold(), shown)
        name = ALIASES.get(name, name)
        worded, _colon, language = name.partition(":")
        if worded in WORDED and language:
            name = f"{worded}:{title.partition(':')[2].strip()}"
        elif name and name not in (*COLUMNS, "path") and not COUNTS.match(name):
            notes.add(
                Problem(_("row %(row)s"), row=number),
                _("The column “%(column)s” is not known; known are: %(known)s."),
                column=shown,
                known=", ".join(COLUMNS),
            )
        if name in names and name:
            notes.add(
                Problem(_("row %(row)s"), row=number),
                _("There are two columns “%(column)s”."),
                column=shown,
            )
        names.append(name)
    rows = []
    for row, cells in body:
        found = {}
        for column, text in enumerate(cells):
            name = names[column] if column < len(names) else ""
            if not text.strip():
                continue
            if not name:
                notes.add(
                    Problem(_("row %(row)s"), row=row),
                    _("There are more cells than the first row names."),
                )
                break
            place = Problem(_("row %(row)s, column %(column)s"), row=row, column=header[column])
            found[name] = Cell(bare(text), place)
        rows.append((Problem(_("row %(row)s"), row=row), found))
    return rows


def own(
    whole: Entry, rows: Sequence[tuple[Problem, dict[str, Cell]]], stem: str, notes: Notes
) -> Entry:
    """Return what a table in the project's own form says."""
    if not any("dimension" in cells for _place, cells in rows):
        rows = [(place, lone(place, cells, stem)) for place, cells in rows]
    groups: dict[str, list[tuple[Problem, dict[str, Cell]]]] = {}
    for place, cells in rows:
        for name, column in (("name", "codebook"), ("language", "language")):
            if column in cells:
                whole.fields.setdefault(name, cells[column])
        if "dimension" not in cells:
            notes.add(place, _("The column “%(column)s” is empty."), column="dimension")
            continue
        groups.setdefault(cells["dimension"].text.strip(), []).append((place, cells))
    whole.inner = [dimension(rows, notes) for rows in groups.values()]
    return whole


def lone(place: Problem, cells: dict[str, Cell], stem: str) -> dict[str, Cell]:
    """Return a row of a table without dimensions as one of a single dimension."""
    return {"dimension": Cell(stem, place), "kind": Cell("many", place), **cells}


def dimension(rows: Sequence[tuple[Problem, dict[str, Cell]]], notes: Notes) -> Entry:
    """Return the dimension that `rows` are about."""
    place, first = rows[0]
    entry = Entry(place, {"key": first["dimension"]})
    coded = any("code" in cells for _place, cells in rows)
    itself = False
    for place, cells in rows:
        if kind := cells.get("kind"):
            given = entry.fields.setdefault("kind", kind)
            if given.text.strip().casefold() != kind.text.strip().casefold():
                notes.add(
                    kind.place,
                    _("The dimension “%(dimension)s” is already “%(kind)s”."),
                    dimension=first["dimension"].text.strip(),
                    kind=given.text.strip(),
                )
        for name in OF_A_DIMENSION:
            if name in cells:
                entry.fields.setdefault(name, cells[name])
        scale = entry.line("kind").casefold() == "scale"
        if "code" in cells or not (coded or scale):
            entry.inner.append(code(place, cells))
        elif itself:
            notes.add(place, _("The column “%(column)s” is empty."), column="code")
        else:
            itself = True
            if "label" in cells:
                entry.fields["label"] = cells["label"]
            entry.wordings = worded(place, cells)
            for name in OF_A_CODE:
                if name in cells:
                    notes.add(
                        cells[name].place,
                        _("This row is about the dimension itself, which has no “%(column)s”."),
                        column=name,
                    )
    return entry


def code(place: Problem, cells: dict[str, Cell]) -> Entry:
    """Return the code that a row is about."""
    entry = Entry(place, wordings=worded(place, cells))
    for name in ("label", "parent", "definition", "include", "exclude", "color"):
        if name in cells:
            entry.fields[name] = cells[name]
    if "code" in cells:
        entry.fields["key"] = cells["code"]
    if "examples" in cells:
        entry.examples = [(cell, "") for cell in parted(cells["examples"])]
    return entry


def worded(place: Problem, cells: dict[str, Cell]) -> dict[str, Entry]:
    """Return the wordings of a row, out of columns such as `label:de`."""
    wordings: dict[str, Entry] = {}
    for column, cell in cells.items():
        name, _colon, language = column.partition(":")
        if not language:
            continue
        entry = wordings.setdefault(language, Entry(place))
        if name == "examples":
            entry.examples = [(example, "") for example in parted(cell)]
        else:
            entry.fields[name] = cell
    return wordings


def from_paths(
    whole: Entry,
    rows: Sequence[tuple[Problem, dict[str, Cell]]],
    stem: str,
    between: str,
    notes: Notes,
) -> Entry:
    """Return what an export of Taguette (`a.b`) or MAXQDA (`a > b`) says: one dimension.

    Taguette's full stop makes a tree only where what stands before it is a tag too; of MAXQDA's
    paths the codes above are made where they are missing, as it does itself.
    """
    place = rows[0][0] if rows else whole.place
    main = Entry(place, {"key": Cell(stem, place), "kind": Cell("many", place)})
    paths = {" ".join(cells["path"].text.split()) for _place, cells in rows if "path" in cells}
    codes: dict[tuple[str, ...], Entry] = {}
    named: set[tuple[str, ...]] = set()
    for place, cells in rows:
        if "path" not in cells:
            continue
        if between == ".":
            steps = nested(" ".join(cells["path"].text.split()), paths)
        else:
            above = steps_of(cells["parent"].text) if "parent" in cells else ()
            steps = (*above, *steps_of(cells["path"].text))
            for depth in range(1, len(steps)):
                codes.setdefault(steps[:depth], path_entry(place, cells["path"], steps[:depth], {}))
        if steps in named:
            notes.add(cells["path"].place, _("“%(name)s” is named twice."), name=steps[-1])
        named.add(steps)
        codes[steps] = path_entry(place, cells["path"], steps, cells)
    main.inner = list(codes.values())
    whole.inner = [main]
    return whole


def steps_of(path: str) -> tuple[str, ...]:
    """Return the labels of a path of MAXQDA, from the top.

    >>> steps_of("Worries > Work \\\\ Pay")
    ('Worries', 'Work', 'Pay')
    """
    return tuple(step for part in re.split(r"[>\\]", path) if (step := " ".join(part.split())))


def nested(path: str, paths: set[str]) -> tuple[str, ...]:
    """Return the labels of a tag of Taguette, from the top."""
    above, _dot, label = path.rpartition(".")
    return (*nested(above, paths), label) if above in paths and label else (path,)


def key_of(steps: Sequence[str]) -> str:
    """Return what stands for the code at the end of `steps`: a key is made from it."""
    return f"> {' > '.join(steps)}"


def path_entry(place: Problem, path: Cell, steps: Sequence[str], cells: dict[str, Cell]) -> Entry:
    """Return the code at the end of `steps`."""
    called = {"key": key_of(steps), "label": steps[-1]}
    entry = Entry(place, {name: replace(path, text=text) for name, text in called.items()})
    if len(steps) > 1:
        entry.fields["parent"] = replace(path, text=key_of(steps[:-1]))
    if "color" in cells:
        entry.fields["color"] = cells["color"]
    if memo := cells.get("definition"):
        entry.fields |= parted_memo(memo)
    return entry


def memo_parts(memo: str) -> Iterator[tuple[str, str]]:
    """Yield what a memo says by field, where it says itself what is included and excluded.

    >>> dict(memo_parts("Trust in AI. Include: explicit confidence. Exclude: mere use."))
    {'definition': 'Trust in AI. ', 'include': 'explicit confidence. ', 'exclude': 'mere use.'}
    """
    parts = re.split(r"(?:^|(?<=\s))(Include|Exclude)\s*:\s*", memo, flags=re.IGNORECASE)
    yield "definition", parts[0]
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        yield name.lower(), text


# ---- cells ---------------------------------------------------------------------------------------


def parted(cell: Cell) -> Iterator[Cell]:
    r"""Yield the examples in a cell, which line breaks or bars part; `\|` is a bar.

    >>> [cell.text for cell in parted(Cell("one | two\nthree\\|four", Problem("")))]
    ['one', 'two', 'three|four']
    """
    for text in re.split(r"\n|(?<!\\)\|", cell.text.replace("\r\n", "\n")):
        if text.strip():
            yield replace(cell, text=text.strip().replace("\\|", "|"))


def joined(examples: Iterable[str]) -> str:
    """Return examples as one cell."""
    return "\n".join(" ".join(text.split("\n")).replace("|", "\\|") for text in examples)


def guarded(text: str) -> str:
    """Return `text` so that no spreadsheet takes it for a formula.

    >>> guarded("=1+1"), guarded("-5"), bare(guarded("'=x")), guarded("well-being")
    ("'=1+1", '-5', "'=x", 'well-being')
    """
    return f"'{text}" if FORMULA.match(text) and not is_number(text) else text


def bare(text: str) -> str:
    """Return `text` as it was before it was guarded."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def is_number(text: str) -> bool:
    """Return whether `text` is a plain number."""
    return bool(re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text))


# ---- files ---------------------------------------------------------------------------------------


def rows_of_csv(text: str, notes: Notes) -> list[Row]:
    """Return the rows of a CSV; commas, semicolons or tabs stand between cells."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    between = max(",;\t", key=first.count)
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    number = 1
    try:
        for cells in reader:
            if any(cells):
                rows.append((number, cells))
                bounded(rows, notes)
            number += 1
    except csv.Error as error:
        notes.add(
            Problem(_("row %(row)s"), row=number), _("This is no CSV: %(error)s."), error=error
        )
        notes.raised()
    return rows


def rows_of_xlsx(file: BinaryIO, notes: Notes) -> list[Row]:
    """Return the rows of the first sheet of an XLSX that has any."""
    place = Problem(_("the file"))
    try:
        check_office(notes.file, file, LARGEST)
    except Problem as problem:
        notes.add(place, problem.text, **problem.values)
        notes.raised()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and what else is not text
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            try:
                for sheet in book.worksheets:
                    if rows := rows_of_sheet(sheet, notes):
                        return rows
            finally:
                book.close()
    except Problem:
        raise
    except Exception as error:  # a damaged file makes openpyxl fail in any way
        notes.add(
            place, _("This is no XLSX that can be read (%(error)s)."), error=type(error).__name__
        )
        notes.raised()
    return []


def rows_of_sheet(sheet: Any, notes: Notes) -> list[Row]:
    """Return the rows of a sheet that have anything in them."""
    sheet.reset_dimensions()  # what it says of its own size may be made up
    rows: list[Row] = []
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if len(values) > MOST_COLUMNS or number > LAST_ROW:
            notes.add(
                Problem(_("row %(row)s"), row=number),
                _("The sheet is too wide or too long: delete what is empty below and beside it."),
            )
            notes.raised()
        if any(cells := [cell_text(value) for value in values]):
            rows.append((number, cells))
            bounded(rows, notes)
    return rows


def bounded(rows: Sequence[Row], notes: Notes) -> None:
    """Raise what is wrong with a table of more than `MOST_ROWS` rows."""
    if len(rows) > MOST_ROWS:
        notes.add(
            Problem(_("row %(row)s"), row=rows[-1][0]),
            _("There are more than 100,000 rows, which no codebook has."),
        )
        notes.raised()


def cell_text(value: object) -> str:
    """Return what a cell of a spreadsheet shows."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def cell_value(text: str) -> str | float:
    """Return the number in `text`, or `text` where a spreadsheet would round it."""
    return float(text) if text and float(f"{float(text):.15g}") == float(text) else text


def rows_of(book: Book) -> tuple[list[list[str]], list[Problem]]:
    """Return `book` as a table with its header, and what a table can't say of it."""
    losses: list[Problem] = []
    columns = [*COLUMNS, *wording_columns(book)]
    rows = [columns]
    about = {"codebook": book.name, "language": book.language}
    for dimension in book.dimensions:
        cells = dimension_cells(dimension) | about
        about = {}
        rows.append([guarded(cells.get(column, "")) for column in columns])
        for code in dimension.codes:
            cells = code_cells(dimension, code, book.language)
            rows.append([guarded(cells.get(column, "")) for column in columns])
            for example in code.examples:
                if "\n" in example.text or example.text.endswith("\\"):
                    losses.append(
                        Problem(
                            _("An example of “%(code)s” has lost its line breaks."), code=code.key
                        )
                    )
    return rows, losses


def wording_columns(book: Book) -> list[str]:
    """Return the columns for other languages that `book` needs."""
    needed: set[tuple[str, int]] = set()
    for dimension in book.dimensions:
        wordings = [*dimension.wordings]
        for code in dimension.codes:
            wordings += code.wordings
            needed |= {
                (example.language, WORDED.index("examples"))
                for example in code.examples
                if example.language != book.language
            }
        needed |= {(one.language, WORDED.index(name)) for one in wordings for name, _ in one.texts}
    return [f"{WORDED[place]}:{language}" for language, place in sorted(needed)]


def dimension_cells(dimension: DimensionSpec) -> dict[str, str]:
    """Return the row of a dimension itself."""
    ends = {"minimum": dimension.minimum, "maximum": dimension.maximum}
    return {
        "dimension": dimension.key,
        "kind": dimension.written,
        **{name: getattr(dimension, name) for name in DIMENSION_TEXTS},
        **{name: cell_text(value) for name, value in ends.items()},
        **{
            f"{name}:{one.language}": text for one in dimension.wordings for name, text in one.texts
        },
    }


def code_cells(dimension: DimensionSpec, code: CodeSpec, language: str) -> dict[str, str]:
    """Return the row of a code."""
    examples: dict[str, list[str]] = {}
    for example in code.examples:
        column = "examples" if example.language == language else f"examples:{example.language}"
        examples.setdefault(column, []).append(example.text)
    return {
        "dimension": dimension.key,
        "kind": dimension.written,
        "code": code.key,
        "parent": code.parent,
        "color": code.color,
        **{name: getattr(code, name) for name in CODE_TEXTS},
        **{column: joined(texts) for column, texts in examples.items()},
        **{f"{name}:{one.language}": text for one in code.wordings for name, text in one.texts},
    }


def written_csv(rows: Iterable[Sequence[str]], form: str) -> str:
    """Return the rows as CSV, or as TSV."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter="\t" if form == ".tsv" else ",").writerows(rows)
    return out.getvalue()


def cut_off(rows: Sequence[Sequence[str]]) -> list[Problem]:
    """Return what is too long for a cell of an XLSX."""
    return [
        Problem(
            _("Row %(row)s, column %(column)s: cut off after 32,767 characters."),
            row=number,
            column=column,
        )
        for number, row in enumerate(rows, 1)
        for column, text in zip(rows[0], row, strict=True)
        if len(text) > LONGEST_CELL
    ]


def written_xlsx(rows: Sequence[Sequence[str]]) -> bytes:
    """Return the rows as XLSX."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("codebook")
    sheet.freeze_panes = "A2"
    for number, row in enumerate(rows, 1):
        sheet.append(
            [
                cell_value(text) if number > 1 and column in ("minimum", "maximum") else text
                for column, text in zip(rows[0], row, strict=True)
            ]
        )
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
