"""A person's full copy of all that the stack holds about them, in open formats; the export is itself an act."""

import csv
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from msingi.cli.running import at_work
from msingi.consent import accesses as looked
from msingi.consent import acts as consent
from msingi.consent.model import Page
from msingi.credentials import acts as credentials
from msingi.health import acts as health
from msingi.identity import acts as identity
from msingi.kernel import money
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments

README = """What {country} holds about you, copied on {day}.

identity.json      who you are, every version with its reason
photo.jpg          your photo, if there is one
cards.json         your ID cards and their states
accounts.csv       your accounts
entries-*.csv      every movement of an account, newest first
health.json        your health record, HL7 FHIR R4 (Bundle of type collection)
consents.json      what you allowed, with every signed receipt (ISO/IEC TS 27560)
accesses.jsonl     who looked at your data, one JSON object a line, newest first

Nothing was left out that has your name on it. What only you can have, such as PINs, is not stored readably.
"""


async def write_copy(home: Path, number: str, out: Path) -> list[str]:
    """Write the copy into `out` and say what was written. Raises NotFound for a number that nobody has."""
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(0o700)
    async with at_work(home) as stack:
        person_id = await identity.person_by_number(
            stack, job_context("setup", "identity-proofing"), number, any_status=True
        )
        ctx = job_context("subject-access", "subject-access", "legal-obligation")
        told = [
            await part(stack, ctx, person_id, out) for part in (_identity, _cards, _money, _health, _consents, _looks)
        ]
        text = README.format(country=stack.profile.say(stack.profile.name, "en"), day=ctx.at.date())
        (out / "README.txt").write_text(text, "utf-8")
    return [f"{out}:", *(f"  {line}" for line in told)]


def _json(file: Path, value: Any) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))


async def _identity(stack: Stack, ctx: Context, person_id: PersonId, out: Path) -> str:
    person = await identity.read_person(stack, ctx, person_id)
    versions = await identity.read_history(stack, ctx, person_id)
    _json(out / "identity.json", {"person": person, "versions": versions})
    photo = await identity.read_photo(stack, ctx, person_id)
    if photo:
        (out / "photo.jpg").write_bytes(photo)
    return f"identity.json: {len(versions)} versions"


async def _cards(stack: Stack, ctx: Context, person_id: PersonId, out: Path) -> str:
    cards = await credentials.cards_of(stack, ctx, person_id)
    _json(out / "cards.json", cards)
    return f"cards.json: {len(cards)} cards"


async def _money(stack: Stack, ctx: Context, person_id: PersonId, out: Path) -> str:
    accounts, total = await payments.accounts(stack, ctx, person_id), 0
    currency = stack.profile.currency
    with (out / "accounts.csv").open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["account", "kind", "currency", "balance", "opened"])
        for a in accounts:
            sheet.writerow([a.number, a.kind, a.currency, money.plain(a.balance_minor, currency), a.opened_at])
    for account in accounts:
        with (out / f"entries-{account.number}.csv").open("w", encoding="utf-8", newline="") as file:
            sheet, after, more = csv.writer(file), None, True
            while more:
                page = await payments.statement(stack, ctx, account.number, after=after, limit=500, person=person_id)
                plain = [msgspec.to_builtins(e) for e in page.entries]
                if plain and after is None:
                    sheet.writerow(plain[0])
                sheet.writerows(e.values() for e in plain)
                total, after, more = total + len(plain), page.next_after, page.next_after is not None
    return f"accounts.csv: {len(accounts)} accounts, {total} entries"


async def _health(stack: Stack, ctx: Context, person_id: PersonId, out: Path) -> str:
    try:
        bundle = await health.copy_of(stack, ctx, person_id)
    except NotFound:
        return "health.json: nothing on record"
    (out / "health.json").write_bytes(health.fhir_json(bundle))
    return f"health.json: {len(bundle['entry'])} resources"


async def _pages(read: Callable[[str], Awaitable[Page[Any]]]) -> AsyncIterator[Any]:
    after = ""
    while True:
        page = await read(after)
        for item in page.items:
            yield item
        if not page.after:
            return
        after = page.after


async def _consents(stack: Stack, ctx: Context, person_id: PersonId, out: Path) -> str:
    found = []
    async for given in _pages(lambda after: consent.consents_of(stack, ctx, person_id, after)):
        receipts = await consent.receipts(stack, ctx, person_id, given.consent_id)
        found.append({"consent": given, "receipts": receipts})
    _json(out / "consents.json", found)
    return f"consents.json: {len(found)} consents"


async def _looks(stack: Stack, ctx: Context, person_id: PersonId, out: Path) -> str:
    count = 0
    with (out / "accesses.jsonl").open("w", encoding="utf-8") as file:
        async for line in _pages(lambda after: looked.accesses(stack, ctx, person_id, after, 200)):
            file.write(json.dumps(msgspec.to_builtins(line), ensure_ascii=False) + "\n")
            count += 1
    return f"accesses.jsonl: {count} accesses"
