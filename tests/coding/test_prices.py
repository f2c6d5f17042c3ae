from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coding.coders import Usage
from coding.prices import price
from studies.problems import Problem


def test_an_answer_costs_what_the_table_says() -> None:
    haiku = price("claude-haiku-5-5")
    used = Usage(input=1_000_000, output=1_000_000, cache_read=0, cache_write=0)
    assert haiku.cost(Usage(input=90_000)) == Decimal("0.009")
    assert price("claude-sonnet-5-5").cost(used) == 12
    assert haiku.cost(Usage(cache_read=1)) == Decimal("0.00000001")
    assert haiku.cost(Usage(cache_read=1), batch=True) == Decimal("0.000000005")


def test_a_long_prompt_is_charged_at_the_long_prices_as_a_whole() -> None:
    haiku = price("claude-haiku-5-5")
    assert haiku.cost(Usage(input=100_000)) == Decimal("0.01")
    assert haiku.cost(Usage(input=100_001)) == Decimal("0.0500005")


def test_a_dated_model_name_has_the_price_of_its_model() -> None:
    assert price("claude-haiku-4-5-20251001").model == "claude-haiku-4-5"


def test_an_unknown_model_is_a_problem_that_says_where_to_put_its_price() -> None:
    with pytest.raises(Problem, match=r"no price for the model “llama” in prices\.toml"):
        price("llama")


def test_a_table_of_ones_own_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mine.toml"
    table.write_text(
        'date = "2027-01-01"\n[models.llama]\n'
        'input = "0"\noutput = "0"\ncache_read = "0"\ncache_write = "0"\n'
    )
    monkeypatch.setenv("CONCORD_PRICES", str(table))
    assert price("llama").cost(Usage(input=10)) == 0
    broken = tmp_path / "broken.toml"
    broken.write_text("date =")
    with pytest.raises(Problem, match=r"broken\.toml can't be read"):
        price("llama", broken)


@given(
    size=st.integers(1, 400_000),
    share=st.floats(0, 1),
    cached=st.floats(0, 1),
    room=st.integers(1, 8_000),
)
def test_no_answer_costs_more_than_was_set_aside_for_it(
    size: int, share: float, cached: float, room: int
) -> None:
    for model in ("claude-haiku-5-5", "claude-opus-5-5"):
        tokens = int(size * share)
        written = int(tokens * cached)
        used = Usage(input=tokens - written, cache_write=written, output=room)
        assert price(model).cost(used) <= price(model).most(size, room)
