"""The exchange's rows: the only file here that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from msingi.exchange import rules
from msingi.exchange.model import (
    Institution,
    InstitutionId,
    Key,
    Offer,
    Question,
    Right,
    ServiceCode,
    Standing,
    Subsystem,
    SubsystemId,
)
from msingi.exchange.rules import Page
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


class KeyHolder(msgspec.Struct, frozen=True):
    """A key with whose it is, and whether it may be used now."""

    key: Key
    institution: InstitutionId
    name: str
    standing: Standing


def _institution(row: Row) -> Institution:
    return Institution(
        institution=InstitutionId(row["institution"]),
        member_class=row["member_class"],
        name=row["name"],
        standing=Standing(row["standing"]),
        contact=row["contact"],
        since=row["since"],
    )


def _offer(row: Row) -> Offer:
    return Offer(
        service=ServiceCode(row["service"]),
        owner=SubsystemId(row["owner"]),
        title=row["title"],
        fields=tuple(row["fields"]),
        purposes=tuple(row["purposes"]),
        bases=tuple(row["bases"]),
        needs_consent=row["needs_consent"],
        about_person=row["about_person"],
        openapi=row["openapi"],
        document=row["document"],
        media_type=row["media_type"],
        url=row["url"],
        active=row["active"],
        questions=msgspec.convert(row["questions"], dict[str, Question]),
    )


def _right(row: Row) -> Right:
    return Right(
        client=SubsystemId(row["client"]),
        service=ServiceCode(row["service"]),
        purpose=row["purpose"],
        basis=row["basis"],
        law=row["law"],
        fields=tuple(row["fields"]),
        endpoints=tuple(row["endpoints"]),
        by_number=row["by_number"],
        version=row["version"],
        until=row["until"],
    )


async def put_institution(tx: Tx, made: Institution) -> bool:
    """A new member; False when its code is taken."""
    put = await tx.do(
        Q.put_institution, made.institution, made.member_class, made.name, made.contact, made.standing, made.since
    )
    return put == 1


async def institution_by_id(tx: Tx, institution: str) -> Institution | None:
    """One member."""
    row = await tx.row(Q.institution_by_id, institution)
    return None if row is None else _institution(row)


async def set_standing(tx: Tx, institution: str, standing: Standing) -> bool:
    """Approve or suspend a member; False when there is none."""
    return await tx.do(Q.set_standing, institution, standing) == 1


async def institutions_after(tx: Tx, after: str, limit: int) -> list[Institution]:
    """Members by code."""
    return [_institution(row) for row in await tx.rows(Q.institutions_after, after, limit)]


async def clients(tx: Tx) -> list[Row]:
    """Active members with their software: institution, member_class, name, subsystem, subsystem_name."""
    return await tx.rows(Q.clients)


async def put_subsystem(tx: Tx, made: Subsystem, institution: str) -> bool:
    """A new piece of software; False when its code is taken."""
    return await tx.do(Q.put_subsystem, made.subsystem, institution, made.name, made.since) == 1


async def institution_of(tx: Tx, subsystem: str) -> InstitutionId | None:
    """Whose software this is."""
    row = await tx.row(Q.subsystem_by_id, subsystem)
    return None if row is None else InstitutionId(row["institution"])


async def put_key(tx: Tx, made: Key) -> bool:
    """A new key; False when it is known."""
    return await tx.do(Q.put_key, made.kid, made.subsystem, made.x, made.since) == 1


async def key_by_kid(tx: Tx, kid: str) -> KeyHolder | None:
    """A key with whose it is."""
    row = await tx.row(Q.key_by_kid, kid)
    if row is None:
        return None
    key = Key(row["kid"], SubsystemId(row["subsystem"]), row["x"], row["active"], row["since"])
    return KeyHolder(key, InstitutionId(row["institution"]), row["name"], Standing(row["standing"]))


async def stop_key(tx: Tx, kid: str) -> None:
    """Accept a key no longer."""
    await tx.do(Q.stop_key, kid)


async def put_offer(tx: Tx, made: Offer) -> bool:
    """Offer a service, or say anew what it offers; False when another owner has the code."""
    put = await tx.do(
        Q.put_service, made.service, made.owner, made.title, list(made.fields), list(made.purposes), list(made.bases),
        made.needs_consent, made.about_person, made.document, made.media_type, made.url, made.active, made.openapi,
        made.questions, alias_of(made),
    )  # fmt: skip
    return put == 1


async def offer_by_code(tx: Tx, service: str) -> Offer | None:
    """One service of the catalogue."""
    row = await tx.row(Q.service_by_code, service)
    return None if row is None else _offer(row)


def alias_of(offer: Offer) -> str:
    """The code by which X-Road's clients know a service, where its description tells one (`x-xroad-service-code`)."""
    told = offer.openapi.get("x-xroad-service-code", "")
    return told if isinstance(told, str) and rules.IDENTIFIER.fullmatch(told) else ""


async def code_by_alias(tx: Tx, owner: str, alias: str) -> str | None:
    """Our code of an owner's service that X-Road's clients know under another one."""
    return await tx.value(Q.code_by_alias, owner, alias)


async def offers_after(tx: Tx, after: str, limit: int, owner: str, words: str) -> list[Offer]:
    """The catalogue by service code."""
    return [_offer(row) for row in await tx.rows(Q.services_after, after, limit, owner, words)]


async def put_right(tx: Tx, made: Right) -> int:
    """Grant a right, or say anew what it gives; its version."""
    return await tx.value(
        Q.put_right, made.client, made.service, made.purpose, made.basis, made.law, list(made.fields),
        list(made.endpoints), made.by_number, made.until,
    )  # fmt: skip


async def end_right(tx: Tx, client: str, service: str, purpose: str, basis: str, at: datetime) -> bool:
    """End a right; False when there was none alive."""
    return await tx.do(Q.end_right, client, service, purpose, basis, at) == 1


async def rights_to(tx: Tx, client: str, service: str, now: datetime) -> list[Right]:
    """The living rights of a client to one service."""
    return [_right(row) for row in await tx.rows(Q.rights_to, client, service, now)]


async def rights_of(tx: Tx, client: str, owner: str, now: datetime) -> list[Right]:
    """The living rights of a client to the services of an owner."""
    return [_right(row) for row in await tx.rows(Q.rights_of, client, owner, now)]


async def page_now(tx: Tx, client: str, service: str, now: datetime) -> Page:
    """All that decides about a client's messages to a service; the edition is read first, so it is never too new."""
    row = await tx.row(Q.client_now, client)
    assert row is not None  # the edition has always one row
    standing = Standing(row["standing"]) if row["standing"] else None
    offer = await offer_by_code(tx, service)
    return Page(
        row["edition"], standing, frozenset(row["kids"]), offer, tuple(await rights_to(tx, client, service, now))
    )


async def keys_in_use(tx: Tx) -> dict[str, str]:
    """The keys of active members by thumbprint."""
    return {row["kid"]: row["x"] for row in await tx.rows(Q.keys_in_use)}


async def claim_messages(
    tx: Tx, messages: Sequence[tuple[str, UUID]], now: datetime
) -> tuple[int, set[tuple[str, UUID]]]:
    """Claim message ids: the edition now, and those (client, message id) that were not seen before."""
    row = await tx.row(Q.claim_messages, [client for client, _ in messages], [id for _, id in messages], now)
    assert row is not None  # the statement always gives one row
    return row["edition"], set(zip(row["clients"], row["messages"], strict=True))


class Expected(msgspec.Struct):
    """What a batch rests on, in columns: clients and message ids, the edition, people and epochs of those that need a
    consent, and (person, institution, purpose) of those that an objection could stop. `rests_on`: for each message the
    consent, or nothing."""

    edition: int
    clients: list[str] = []
    messages: list[str] = []
    people: list[PersonId] = []
    epochs: list[int] = []
    objectable: list[tuple[PersonId, str, str]] = []
    rests_on: list[str] = []


def expect(tx: Tx, expected: Expected, now: datetime) -> None:
    """Claim message ids as the transaction ends; it ends as Overtaken unless all is as expected."""
    clients = expected.clients if len(set(expected.clients)) > 1 else expected.clients[:1]
    stopped = zip(*expected.objectable, strict=True) if expected.objectable else ((), (), ())
    columns = (clients, expected.messages, now, expected.edition, expected.people, expected.epochs, *stopped)
    tx.later.append((Q.as_weighed, columns))


async def claim_message(tx: Tx, client: str, message_id: UUID, now: datetime) -> bool:
    """Claim a message id; False when it was seen before."""
    return await tx.do(Q.claim_message, client, message_id, now) == 1


async def forget_messages(tx: Tx, before: datetime) -> int:
    """Forget message ids that are refused by their time anyway; how many."""
    return await tx.do(Q.forget_messages, before)
