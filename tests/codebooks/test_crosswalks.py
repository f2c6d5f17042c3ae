"""What one codebook says otherwise than another."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings

from codebooks.crosswalks import Status, crosswalk, pieces
from codebooks.exchange import Book, CodeSpec, DimensionSpec, Example, WordingSpec
from tests.codebooks.test_exchange import BOOK, books, text

PAY = CodeSpec("pay", "Pay", "Too little money.", parent="work", guid="g1")
WORK = CodeSpec("work", "Work", "No work at all.", guid="g2")
TRUST = DimensionSpec("trust", "Trust", "scale", minimum=0.0, maximum=100.0)


def book(*codes: CodeSpec, **fields: Any) -> Book:
    worries = DimensionSpec("worries", "Worries", "many", codes=codes)
    return Book("b", "en", (replace(worries, **fields), TRUST))


def told(before: Book, after: Book) -> dict[str, list[tuple[str, str, str]]]:
    """What is said of each code: field, before and after; and how it differs, if nothing is."""
    found = {}
    for dimension in crosswalk(before, after).dimensions:
        for code in dimension.codes:
            if code.statuses:
                said = [(one.field, one.before, one.after) for one in code.changes]
                found[code.spec.key] = said or [(status, "", "") for status in code.statuses]
    return found


def test_the_same_codebook_is_the_same() -> None:
    found = crosswalk(BOOK, replace(BOOK, name="Another name"))
    assert found.same
    assert found.touched == []
    assert found.dimensions[0].untouched == 3


def test_codes_are_new_and_gone_by_their_keys() -> None:
    health = CodeSpec("health", "Health")
    assert told(book(PAY, WORK), book(WORK, health)) == {
        "health": [("new", "", "")],
        "pay": [("gone", "", "")],
    }


def test_a_code_with_another_label_is_renamed_and_stays_itself() -> None:
    found = crosswalk(book(PAY, WORK), book(replace(PAY, label="Wages"), WORK))
    (code,) = found.dimensions[0].touched
    assert code.statuses == (Status.RENAMED,)
    assert found.mapping() == []


def test_a_code_with_another_key_is_found_by_its_guid_or_by_its_label() -> None:
    by_guid = book(replace(PAY, key="wages", label="Wages"), WORK)
    by_label = book(replace(PAY, key="wages", guid=""), WORK)
    assert told(book(PAY, WORK), by_guid) == {
        "wages": [("label", "Pay", "Wages"), ("key", "pay", "wages")]
    }
    assert told(book(PAY, WORK), by_label) == {"wages": [("key", "pay", "wages")]}
    assert crosswalk(book(PAY, WORK), by_guid).mapping() == ["worries/pay=worries/wages"]


def test_of_two_codes_with_one_label_nobody_guesses_which_is_meant() -> None:
    after = book(WORK, *(CodeSpec(key, "Pay") for key in ("pay_east", "pay_west")))
    assert told(book(PAY, WORK), after) == {
        "pay_east": [("new", "", "")],
        "pay_west": [("new", "", "")],
        "pay": [("gone", "", "")],
    }


def test_every_field_that_is_put_otherwise_is_told() -> None:
    later = replace(
        PAY,
        definition="Too little money for it.",
        include="wages",
        parent="",
        color="#0072B2",
        examples=(Example("Ya no alcanza.", "es"),),
        wordings=(WordingSpec("de", (("label", "Lohn"),)),),
    )
    found = crosswalk(book(PAY, WORK), book(later, WORK))
    (code,) = found.dimensions[0].touched
    assert code.statuses == (Status.REWORDED, Status.CHANGED)
    assert [(one.field, one.language, one.before, one.after) for one in code.changes] == [
        ("definition", "", "Too little money.", "Too little money for it."),
        ("include", "", "", "wages"),
        ("label", "de", "", "Lohn"),
        ("parent", "", "Work", ""),
        ("color", "", "", "#0072b2"),
        ("example", "es", "", "Ya no alcanza."),
    ]


def test_a_parent_that_goes_by_another_key_is_the_same_parent() -> None:
    after = book(replace(PAY, parent="labour"), replace(WORK, key="labour"))
    assert told(book(PAY, WORK), after) == {"labour": [("key", "work", "labour")]}


def test_a_dimension_tells_its_kind_its_ends_and_the_order_of_its_codes() -> None:
    after = book(WORK, PAY, kind="one", ordered=True, question="Which?")
    after = replace(after, dimensions=(replace(TRUST, maximum=10.0), after.dimensions[0]))
    found = crosswalk(book(PAY, WORK), after)
    assert [one.field for one in found.changes] == ["order"]
    trust, worries = found.dimensions
    assert [(one.field, one.before, one.after) for one in trust.changes] == [
        ("maximum", "100", "10")
    ]
    assert [(one.field, one.before, one.after) for one in worries.changes] == [
        ("kind", "many", "ordered"),
        ("question", "", "Which?"),
        ("order", "Pay · Work", "Work · Pay"),
    ]
    assert worries.statuses == (Status.CHANGED, Status.REWORDED)


def test_a_scale_and_a_dimension_with_another_key_are_mapped() -> None:
    before, after = book(PAY, WORK), book(PAY, WORK, key="fears", guid="")
    after = replace(after, dimensions=(after.dimensions[0], replace(TRUST, key="faith")))
    assert crosswalk(before, after).mapping() == [
        "worries/pay=fears/pay",
        "worries/work=fears/work",
        "trust/trust=faith/faith",
    ]


def test_new_and_gone_dimensions_bring_and_take_their_codes() -> None:
    other = Book("b", "en", (DimensionSpec("hopes", "Hopes", "many", codes=(CodeSpec("a", "A"),)),))
    dimensions, codes = crosswalk(book(PAY, WORK), other).counts()
    assert dimensions == {Status.NEW: 1, Status.GONE: 2}
    assert codes == {Status.NEW: 1, Status.GONE: 2}


@given(books(), books())
@settings(max_examples=30)
def test_whatever_differs_is_told_and_nothing_else(one: Book, other: Book) -> None:
    assert crosswalk(one, one).same
    found = crosswalk(one, other)
    assert found.same == (one.dimensions == other.dimensions)
    assert [pair.after for pair in found.dimensions if pair.after] == list(other.dimensions)


@given(text(), text())
def test_the_pieces_of_two_texts_are_the_two_texts(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(text for piece, text in found if piece != "new") == before
    assert "".join(text for piece, text in found if piece != "gone") == after


def test_pieces_are_whole_words() -> None:
    assert pieces("Zu wenig Geld.", "Zu wenig Lohn oder Geld.") == [
        ("same", "Zu wenig "),
        ("new", "Lohn oder "),
        ("same", "Geld."),
    ]
    assert pieces("a b c", "x y c") == [("gone", "a b"), ("new", "x y"), ("same", " c")]
