"""The switch of a sample country: our bank takes part, two simulated banks join, and there is a rate between them."""

import csv
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from typing import Any

import msgspec
from msgspec.structs import replace

from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.stack import Stack
from msingi.payments.rates import acts as rates
from msingi.payments.rates.model import RateOrder
from msingi.payments.rates.renewing import renew_sample
from msingi.payments.switch import acts, house, jws, neighbour, providing, roll, settling
from msingi.payments.switch.model import Pair

OURS, NEAR, FAR, FARTHER = "our-bank", "sim-near", "sim-abroad", "sim-farther"
SIMULATED = {"sw": "Benki ya majaribio", "ar": "بنك تجريبي", "fr": "Banque d’essai", "en": "Simulated bank"}
MONTH = timedelta(days=30)
COVER, FAR_COVER = 10**9, 10**8
FAR_NUMBER, FARTHER_NUMBER = "99977700011", "99977700022"  # no country has the code 999


async def join_switch(stack: Stack, bank: str) -> dict[str, Any]:
    """Let our bank and two simulated ones take part, one of them in another currency; gives what sample.json says.

    Run again after an interruption, it makes nothing twice.
    """
    setup, home = job_context("setup"), stack.profile.currency
    orders = _rates(stack)
    if roll.HUB not in (await roll.of(stack)).fsps:
        await acts.join(stack, setup, roll.HUB, "switch", "Switch", "", "")
    title = next(stack.profile.say(m.name) for m in stack.profile.institutions if m.code == bank)
    await house.join(stack, setup, OURS, bank, title)
    wanted = [(NEAR, home.code, home.digits, 0, f"{stack.profile.phone_prefix[1:]}{'9' * stack.profile.phone_digits}")]
    if orders:
        there = orders[0].target
        await house.settle_in(stack, setup, OURS, there, 2, FAR_COVER)
        wanted.append((FAR, there, 2, 100, FAR_NUMBER))
    exchange = next(_rows(stack, "exchange.csv"), None)
    if exchange:
        wanted.append((FARTHER, exchange["target"], 2, 50, FARTHER_NUMBER))
    known = {plan.fsp: plan for plan in neighbour.plans(stack.settings.home)}
    made = [known.get(one[0]) or await _joined(stack, *one) for one in wanted]
    if exchange:
        made[0] = await _converts(stack, made[0], exchange)
    _keep(stack, made)
    if orders:
        for _, code, digits, _, _ in wanted:
            await rates.open_position(stack, setup, code, digits, 10**12 if code == home.code else FAR_COVER)
        await renew_sample(stack)
        if not await rates.offered(stack, job_context("setup")):
            (first, *_) = await rates.propose_rates(stack, setup, orders)
            await rates.decide_rates(stack, job_context("setup-second"), first.batch, True)
    return {"ours": OURS, "simulated": [{"fsp": p.fsp, "currency": p.currency, "people": p.people} for p in made]}


def _rates(stack: Stack) -> list[RateOrder]:
    """The rates that the country's profile ships, valid for a month from now; none where it ships none."""
    now = clock.now() - timedelta(minutes=1)
    return [
        RateOrder(
            row["source"], row["target"], row["middle"], int(row["spread_bp"]), now, now + MONTH,
            fee_minor=int(row["fee_minor"]), fee_bp=int(row["fee_bp"]), least_minor=int(row["least_minor"]),
            most_minor=int(row["most_minor"]),
        )
        for row in _rows(stack, "rates.csv")
    ]  # fmt: skip


def _rows(stack: Stack, name: str) -> Iterator[dict[str, str]]:
    """The rows of a table that the country's profile ships; none where it ships none."""
    file = files("msingi.countries") / stack.profile.code / name
    yield from csv.DictReader(file.read_text("utf-8").splitlines()) if file.is_file() else ()


async def _converts(stack: Stack, plan: neighbour.Plan, row: dict[str, str]) -> neighbour.Plan:
    """The simulated bank of this country is an exchange provider too, into a currency that the house does not deal in:
    with cover there, and at a rate of its own."""
    setup, target = job_context("setup"), row["target"]
    await acts.open_accounts(stack, setup, plan.fsp, target)
    await settling.bring_cover(stack, setup, plan.fsp, target, FAR_COVER, f"first-{plan.fsp}-{target}")
    await settling.set_limit(stack, setup, plan.fsp, target, FAR_COVER)
    await providing.change_pair(stack, setup, Pair(plan.fsp, plan.currency, target), active=True)
    return replace(plan, target=target, rate=row["rate"], charge_bp=int(row["charge_bp"]))


async def _joined(stack: Stack, fsp: str, code: str, digits: int, fee_bp: int, number: str) -> neighbour.Plan:
    setup = job_context("setup")
    private, public = jws.new_key()
    await acts.settle_currency(stack, setup, code, digits)
    name = f"{stack.profile.say(SIMULATED)} ({code})"
    if fsp not in (await roll.of(stack)).fsps:
        await acts.join(stack, setup, fsp, fsp, name, public, "http://127.0.0.1:9")
    else:
        await acts.change(stack, setup, fsp, key=public)
    await acts.open_accounts(stack, setup, fsp, code)
    await settling.bring_cover(stack, setup, fsp, code, COVER, f"first-{fsp}")
    await settling.set_limit(stack, setup, fsp, code, COVER)
    return neighbour.Plan(fsp, code, digits, fee_bp, private.decode(), {number: "S. M. (simulated)"})


def _keep(stack: Stack, made: list[neighbour.Plan]) -> None:
    file = stack.settings.home / neighbour.FILE
    file.touch(0o600)
    file.write_bytes(msgspec.json.encode(made))
