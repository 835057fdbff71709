"""The sample country of a sandbox: institutions, staff, software and invented people, made through the same acts.

`HOME/sample.json` then tells any program how to drive the running stack.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import click

from msingi.cli import sample_country
from msingi.cli.sample_bank import account_of, open_bank
from msingi.cli.sample_switch import join_switch
from msingi.countries import synthetic
from msingi.countries.portrait import portrait
from msingi.countries.synthetic import Invented
from msingi.evidence import acts as evidence
from msingi.evidence.model import Population
from msingi.health import acts as health
from msingi.identity import acts as identity
from msingi.identity.model import Address, Birth, BirthOrder, Enrolled, EnrolmentOrder, Name, Row, Sex
from msingi.kernel import clock
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments.model import AccountKind, Alias, IssueOrder, TransferOrder
from msingi.payments.rules import number_of
from msingi.signin import acts as signin

FILE = "sample.json"
PAID = 10  # how many of them the ministry has paid, so that there is something to see and to send
AID = {"sw": "Msaada wa kaya", "ar": "مساعدة اجتماعية", "fr": "Aide sociale", "en": "Social support"}
WITH_PIN = 60  # people who have been to a centre, got a card and chose a PIN; the others exist and have not
BATCH = 100
DTP_SHARE, WALLET_SHARE = 0.83, 0.58
Say = Callable[[str], None]


def made(home: Path) -> bool:
    """Whether this home holds a finished sample."""
    return (home / FILE).exists()


def setup(purpose: str) -> Context:
    """The context of the installation itself, for one purpose."""
    return job_context("setup", purpose, "public-task")


@contextmanager
def _bar(label: str, length: int, shown: bool) -> Iterator[Callable[[int], None]]:
    if not shown:
        yield lambda _: None
        return
    with click.progressbar(length=length, label=f"  {label:<28}") as bar:
        yield bar.update


async def make(stack: Stack, count: int, seed: int, *, progress: bool, say: Say) -> None:
    """Fill an empty stack with a sample of `count` people; the same seed gives the same country.

    A run that was interrupted is finished by running it again: every step claims its keys first.
    """
    say(f"Making a sample country: {stack.profile.say(stack.profile.name)}, {count:,} invented people")
    country = await sample_country.found(stack, seed)
    people = list(synthetic.people(stack.profile, count, seed, clock.today()))
    with _bar("people", len(people), progress) as tick:
        enrolled = await _enrol(stack, people, seed, tick)
    chosen = [p for p in people if p.phone and p.index in enrolled and clock.today().year - p.birth_date.year >= 18]
    with_pin = chosen[:WITH_PIN]
    with _bar("cards and PINs", len(with_pin), progress) as tick:
        await _visit_centre(stack, with_pin, enrolled, tick)
    rng = random.Random(f"msingi:{seed}:later")
    holders = [*with_pin, *(p for p in chosen[WITH_PIN:] if rng.random() < WALLET_SHARE)]
    with _bar("wallets", len(holders), progress) as tick:
        accounts = await _open_wallets(stack, holders, enrolled, country, tick)
    keepers = [(enrolled[p.index].number, p.family) for p in with_pin[1:3]]
    if len(keepers) == 2:
        country.document["bank"] = await open_bank(stack, *keepers)
    country.document["switch"] = await join_switch(stack, country.code_of("bank"))
    infants = [
        p for p in people if p.index in enrolled and 12 <= _months(p.birth_date) < 24 and rng.random() < DTP_SHARE
    ]
    with _bar("vaccinations", len(infants), progress) as tick:
        await _vaccinate(stack, infants, enrolled, country, tick)
    await _publish(stack, people)
    listed = [
        {
            "number": enrolled[p.index].number,
            "name": f"{p.given} {p.family}",
            "phone": p.phone,
            "pin": p.pin,
            "account": accounts.get(p.index, ""),
            "language": p.language,
            "birth_date": p.birth_date.isoformat(),
        }
        for p in with_pin
    ]
    document = {
        "base_url": stack.settings.url,
        "issuer": stack.settings.url,
        "country": stack.profile.code,
        "seed": seed,
        "people": listed,
        **country.document,
        "accounts": [
            {"number": p["account"], "owner": p["number"], "currency": stack.profile.currency.code} for p in listed
        ],
    }
    _keep(stack.settings.home, document)


def _keep(home: Path, document: dict[str, Any]) -> None:
    draft = home / f"{FILE}.new"
    draft.touch(0o600)
    draft.write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
    draft.replace(home / FILE)


def readdress(settings: Settings) -> None:
    """Tell programs the address at which the stack starts now, if it is another than before."""
    document = load(settings.home)
    if document["base_url"] != settings.url:
        _keep(settings.home, document | {"base_url": settings.url, "issuer": settings.url})


def _months(born: date) -> int:
    today = clock.today()
    return (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)


def _order(person: Invented, seed: int, *, photo: bool) -> EnrolmentOrder:
    age = clock.today().year - person.birth_date.year
    return EnrolmentOrder(
        name=Name(person.given, person.family),
        birth=Birth(person.birth_date.isoformat()),
        sex=Sex(person.sex),
        region=person.region,
        address=Address((person.address,)),
        phone=person.phone,
        language=person.language,
        photo=portrait(f"{seed}:{person.index}", person.sex, age) if photo else None,
    )


async def _enrol(stack: Stack, people: list[Invented], seed: int, tick: Callable[[int], None]) -> dict[int, Enrolled]:
    """Enrol everybody but young children, then register births; young children without registration stay outside."""
    ctx, enrolled = setup("identity-registration"), {}
    grown = [p for p in people if clock.today().year - p.birth_date.year >= 5 or p.mother < 0]
    with_photo = {p.index for p in [p for p in grown if p.phone][: WITH_PIN * 2]}
    waiting = iter(grown)
    while chunk := list(islice(waiting, BATCH)):
        rows = [Row(str(p.index), _order(p, seed, photo=p.index in with_photo)) for p in chunk]
        for outcome in await identity.enrol_many(stack, ctx, rows, f"sample-{seed}", batch_rows=BATCH):
            if isinstance(outcome.outcome, Enrolled):
                enrolled[int(outcome.key)] = outcome.outcome
        tick(len(chunk))
    small = [p for p in people if p not in set(grown)]
    for child in small:
        if child.birth_registered:
            mother = enrolled.get(child.mother)
            order = BirthOrder(_order(child, seed, photo=False), mother.number if mother else "")
            outcome = await identity.record_birth(stack, ctx, order, f"sample-{seed}-{child.index}")
            if isinstance(outcome, Enrolled):
                enrolled[child.index] = outcome
        tick(1)
    return enrolled


async def _visit_centre(
    stack: Stack, people: list[Invented], enrolled: dict[int, Enrolled], tick: Callable[[int], None]
) -> None:
    from msingi.credentials import acts as credentials

    for person in people:
        person_id = enrolled[person.index].person_id
        await signin.set_pin(stack, setup("operations"), person_id, person.pin)
        await credentials.issue_card(stack, setup("credential-issuance"), person_id, f"sample-{person.index}")
        tick(1)


async def _open_wallets(
    stack: Stack,
    holders: list[Invented],
    enrolled: dict[int, Enrolled],
    country: sample_country.Country,
    tick: Callable[[int], None],
) -> dict[int, str]:
    """Wallets for the holders, and a treasury for the ministry that pays them."""
    ctx = setup("payment")
    numbers = {}
    for at in range(0, len(holders), BATCH):
        batch = holders[at : at + BATCH]
        wallets = await payments.wallets_for(stack, ctx, [enrolled[p.index].person_id for p in batch])
        numbers |= {p.index: number_of(wallets[enrolled[p.index].person_id]) for p in batch}
        tick(len(batch))
    money = 10**stack.profile.currency.digits
    ministry = country.code_of("ministry")
    await account_of(stack, country.code_of("bank"), AccountKind.ISSUE, "issue")
    treasury = await account_of(stack, ministry, AccountKind.GOVERNMENT, "treasury")
    order = IssueOrder("sample-issue", treasury.number, 5_000_000_000 * money)
    await payments.issue(stack, job_context("setup", "operations"), order)
    aid = stack.profile.tiers[0].per_transfer_minor // 20
    currency = stack.profile.currency.code
    orders = [
        TransferOrder(
            f"sample-aid-{n}", treasury.number, Alias("account", number), aid, currency, stack.profile.say(AID)
        )
        for n, number in list(numbers.items())[:PAID]
    ]
    treasurer = Actor(Kind.STAFF, "setup", ministry, frozenset({"treasurer"}), 2)
    for paid in await payments.transfer_many(
        stack, context(treasurer, "payment", "public-task", channel="job"), orders
    ):
        if isinstance(paid, Refusal):
            raise paid
    country.document["treasury"] = {"institution": ministry, "number": treasury.number}
    return numbers


async def _vaccinate(
    stack: Stack,
    infants: list[Invented],
    enrolled: dict[int, Enrolled],
    country: sample_country.Country,
    tick: Callable[[int], None],
) -> None:
    """Record the doses of the schedule, as the clinic's nurse would, one FHIR transaction a child."""
    clinic = country.code_of("clinic")
    nurse = Actor(Kind.STAFF, "sample-nurse", clinic, frozenset({"clinician"}), 2, "sample nurse")
    for infant in infants:
        bundle = sample_country.vaccination_bundle(stack.profile, infant, enrolled[infant.index].number)
        ctx = context(nurse, "health-care", "public-task", channel="job")
        await health.store_bundle(stack, ctx, bundle, key=f"sample-{infant.index}")
        tick(1)


async def _publish(stack: Stack, people: list[Invented]) -> None:
    """The sample's own census, which also counts the children whom nobody registered; then first editions."""
    census: Counter[tuple[str, str, str]] = Counter()
    for person in people:
        age = _months(person.birth_date) // 12
        sex = "F" if person.sex == "female" else "M"
        groups = [("Y0T4", age < 5), ("Y_GE15", age >= 15), ("Y1", age == 1)]
        for group, inside in groups:
            census[group, person.region, sex] += inside
    populations = [
        Population(group, region.code, sex, census[group, region.code, sex])
        for group in ("Y0T4", "Y_GE15", "Y1")
        for region in stack.profile.regions
        for sex in ("F", "M")
    ]
    source = f"census of the invented sample, {clock.today()}"
    await evidence.set_populations(stack, job_context("evidence.census", "statistics"), populations, source)
    for code in evidence.indicators():
        await evidence.publish(stack, job_context("evidence.publish", "statistics"), code)


def logins(home: Path) -> list[str]:
    """Lines that tell a visitor how to sign in."""
    file = home / FILE
    if not file.exists():
        return []
    known: dict[str, Any] = json.loads(file.read_text("utf-8"))
    lines = ["", "  Sample logins (codes arrive in the practice room; for programs: /sandbox/sms?to=PHONE):"]
    lines += [f"    person      {p['number']}  PIN {p['pin']}  {p['name']}" for p in known["people"][:3]]
    lines += [f"    {s['role']:<11} {s['id']:<14} PIN {s['pin']}  {s['institution']}" for s in known["staff"]]
    return lines


def load(home: Path) -> dict[str, Any]:
    """The sample of a home. Raises click.ClickException if there is none."""
    if not made(home):
        raise click.ClickException(f"{home} holds no sample. Start one with: msingi up --home {home} --sample 1000")
    return json.loads((home / FILE).read_text("utf-8"))
