"""A person's full copy: every room's part, registered by whoever knows the room, written as one zip of open formats.

`msingi export` and the right of access both use it, so that there is one truth about what belongs to a person.
"""

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from msingi.consent import acts as consent
from msingi.credentials import acts as credentials
from msingi.exchange.federation import acts as federation
from msingi.governance.apart import acts as apart
from msingi.health import acts as health
from msingi.identity import acts as identity
from msingi.kernel import money
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import Erased, NotFound, Outage, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.registries import acts as registries

Files = dict[str, bytes]
Exporter = Callable[[Stack, Context, PersonId], Awaitable[Files]]
_exporters: dict[str, tuple[str, Exporter]] = {}

README = """What {country} holds about you, copied on {day}.

{contents}

Nothing was left out that has your name on it, except what a file named *.missing.json tells of. What only you can
have, such as PINs, is not stored readably.
"""
AWAY = "The machine that holds this did not answer. Ask again."


def register(room: str, what: str, exporter: Exporter) -> None:
    """Say who copies out what a room holds about a person; `what` describes its files in one line of plain text."""
    _exporters[room] = (what, exporter)


def registered() -> tuple[str, ...]:
    """The rooms whose part is copied."""
    return tuple(_exporters)


async def files_of(stack: Stack, person_id: PersonId) -> Files:
    """Every file of the copy by name, with a README that says what each is."""
    ctx = job_context("subject-access", "subject-access", "legal-obligation")
    files: Files = {}
    told = []
    for room, (what, exporter) in _exporters.items():
        try:
            part = await exporter(stack, ctx, person_id)
        except NotFound:
            part = {}
        except Outage:  # a machine that runs a part of the stack is away: the rest is not withheld
            part = {f"{room}.missing.json": _json({"room": room, "reason": "outage", "title": AWAY})}
        except Refusal as no:
            part = {f"{room}.missing.json": _json({"room": room, "reason": no.code, "title": no.title})}
        files |= part
        told.append(f"{room}: {what}\n  {', '.join(sorted(part)) or 'nothing on record'}")
    text = README.format(
        country=stack.profile.say(stack.profile.name, "en"), day=ctx.at.date(), contents="\n".join(told)
    )
    return {"README.txt": text.encode(), **files}


async def zipped(stack: Stack, person_id: PersonId) -> tuple[bytes, list[str]]:
    """The copy as one zip, and the names of its files."""
    files = await files_of(stack, person_id)
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as made:
        for name, body in files.items():
            made.writestr(name, body)
    return raw.getvalue(), list(files)


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)


def _csv(rows: list[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _pages(read: Callable[[str], Awaitable[Any]]) -> AsyncIterator[Any]:
    after = ""
    while True:
        page = await read(after)
        for item in page.items:
            yield item
        if not page.after:
            return
        after = page.after


async def _identity(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    person = await identity.read_person(stack, ctx, person_id)
    versions = await identity.read_history(stack, ctx, person_id)
    photo = await identity.read_photo(stack, ctx, person_id)
    files = {"identity.json": _json({"person": person, "versions": versions})}
    return files | ({"photo.jpg": photo} if photo else {})


async def _credentials(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    return {"cards.json": _json(await credentials.cards_of(stack, ctx, person_id))}


async def _payments(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    accounts = await payments.accounts(stack, ctx, person_id)
    currency = stack.profile.currency
    rows: list[list[Any]] = [["account", "kind", "currency", "balance", "opened"]]
    rows += [[a.number, a.kind, a.currency, money.plain(a.balance_minor, currency), a.opened_at] for a in accounts]
    files = {"accounts.csv": _csv(rows)}
    for account in accounts:
        entries: list[list[Any]] = []
        after, more = None, True
        while more:
            page = await payments.statement(stack, ctx, account.number, after=after, limit=500, person=person_id)
            plain = [msgspec.to_builtins(e) for e in page.entries]
            if plain and not entries:
                entries.append(list(plain[0]))
            entries += [list(e.values()) for e in plain]
            after, more = page.next_after, page.next_after is not None
        files[f"entries-{account.number}.csv"] = _csv(entries)
    return files


async def _health(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    return {"health.json": health.fhir_json(await health.copy_of(stack, ctx, person_id))}


async def _registries(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    return {"registers.json": _json({"records": await registries.copy_of(stack, ctx, person_id)})}


async def _consents(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    found = []
    async for given in _pages(lambda after: consent.consents_of(stack, ctx, person_id, after)):
        receipts = await consent.receipts(stack, ctx, person_id, given.consent_id)
        found.append({"consent": given, "receipts": receipts})
    return {"consents.json": _json(found)}


async def _accesses(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    lines = []
    async for line in _pages(lambda after: consent.accesses(stack, ctx, person_id, after, 200)):
        lines.append(json.dumps(msgspec.to_builtins(line), ensure_ascii=False))
    return {"accesses.jsonl": ("\n".join(lines) + "\n").encode()}


async def _elsewhere(stack: Stack, ctx: Context, person_id: PersonId) -> Files:
    """Who looked, as each machine that runs a part of the stack has recorded it; or that it did not answer."""
    files: Files = {}
    for machine in await federation.machines(stack):
        name, lines = f"accesses-{machine.partition('+')[2].replace('+', '-')}", []

        async def read(after: str, machine: str = machine) -> Any:
            return await apart.looked_at_elsewhere(stack, ctx, person_id, machine, after)

        try:
            async for line in _pages(read):
                lines.append(json.dumps(msgspec.to_builtins(line), ensure_ascii=False))
        except Erased:
            continue  # it has never met this person
        except Outage:
            files[f"{name}.missing.json"] = _json({"room": machine, "reason": "outage", "title": AWAY})
            continue
        files[f"{name}.jsonl"] = ("\n".join(lines) + "\n").encode()
    return files


register("identity", "who you are, every version with its reason, and your photo", _identity)
register("credentials", "your ID cards and their states", _credentials)
register("payments", "your accounts, and every movement of each, newest first", _payments)
register("health", "your health record, HL7 FHIR R4 (Bundle of type collection)", _health)
register("registries", "what registers hold about you, by register and keeper", _registries)
register("consent", "what you allowed, with every signed receipt (ISO/IEC TS 27560)", _consents)
register("log", "who looked at your data, one JSON object a line, newest first", _accesses)
register("machines", "who looked, as machines that run a part of the stack have it, one file a machine", _elsewhere)
