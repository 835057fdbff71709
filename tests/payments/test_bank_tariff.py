"""The country's bank.toml: both that ship are whole, and every mistake in one is named before anybody depends on it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.countries import load, shipped
from msingi.payments.bank import tariff
from msingi.payments.errors import AmountOutOfRange


@pytest.mark.parametrize("country", shipped())
def test_the_tariffs_that_ship_are_whole(country):
    found = tariff.read(load(country))
    assert found.agents.category in found.categories


def changed(**more: Any):
    profile = load("taifa")
    return msgspec.structs.replace(profile, bank=profile.bank | more)


AGENTS = load("taifa").bank["agents"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"institution": "nobody"}, "institution"),
        ({"qr_domain": "x"}, "qr_domain"),
        ({"categories": {"54": {"sw": "a", "en": "a"}}}, "categories.54"),
        ({"categories": {"6010": {"sw": "a"}}}, "language en"),
        ({"agents": AGENTS | {"category": "0001"}}, "agents.category"),
        ({"agents": AGENTS | {"hold_s": 5}}, "agents.hold_s"),
        ({"agents": AGENTS | {"cash_in": []}}, "agents.cash_in"),
        ({"agents": AGENTS | {"cash_in": [{"up_to_minor": 5, "fee_minor": 1}]}}, "agents.cash_in"),
        ({"agents": AGENTS | {"cash_out": [{"up_to_minor": 5, "fee_minor": 1, "commission_minor": 2}]}}, "commission"),
        ({"agents": AGENTS | {"cash_out": [{"up_to_minor": 5}, {"up_to_minor": 5}]}}, "agents.cash_out"),
        ({"typo": 1}, "typo"),
    ],
)
def test_mistakes_are_named(wrong, named):
    with pytest.raises(tariff.TariffWrong, match=named):
        tariff.read(changed(**wrong))
    with pytest.raises(tariff.TariffWrong):
        tariff.read(msgspec.structs.replace(load("taifa"), bank={}))


@given(st.integers(1, 20_000_000))
@settings(max_examples=60, deadline=None)
def test_an_amount_falls_into_the_first_band_that_holds_it(amount):
    bands = tariff.read(load("taifa")).agents.cash_out
    if amount > bands[-1].up_to_minor:
        with pytest.raises(AmountOutOfRange):
            tariff.band(bands, amount)
        return
    found = tariff.band(bands, amount)
    assert amount <= found.up_to_minor and all(b.up_to_minor < amount for b in bands[: bands.index(found)])
