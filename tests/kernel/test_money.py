"""The edges of money: the largest amount, and where a sign begins."""

import pytest

from msingi.countries import load
from msingi.kernel import money
from msingi.kernel.errors import Malformed

THREE = load("wahat").currency
NONE = load("taifa").currency


def test_the_largest_amount_is_accepted_and_the_next_is_not() -> None:
    assert THREE.digits == 3 and NONE.digits == 0
    largest = money.plain(money.MAX_MINOR, THREE)
    assert money.parse(largest, THREE) == money.MAX_MINOR
    whole = largest.partition(".")[0]
    with pytest.raises(Malformed) as refused:
        money.parse(whole + "9", THREE)
    assert refused.value.facts["rule"] == "digits<=18"
    assert money.parse(str(money.MAX_MINOR), NONE) == money.MAX_MINOR


@pytest.mark.parametrize(("minor", "shown"), [(0, "0"), (1, "1"), (-1, "-1"), (-1_000, "-1 000"), (1_000, "1 000")])
def test_a_sign_stands_before_what_is_below_nothing(minor: int, shown: str) -> None:
    text = money.format(minor, NONE, group=" ")
    assert text == f"{'-' if minor < 0 else ''}{NONE.symbol or NONE.code}\u00a0{shown.removeprefix('-')}"
    assert money.plain(minor, NONE) == str(minor)
    assert money.plain(minor, THREE) == f"{minor / 1000:.3f}"
