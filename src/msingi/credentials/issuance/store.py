"""Where kinds, holdings, copies, offers and requests are kept: the only file of issuance that runs SQL."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msingi.credentials.forms.model import Format
from msingi.credentials.issuance.model import Holding, HoldingId, Offer, Waiting
from msingi.credentials.model import CardState, Place
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)
Pair = tuple[PersonId, str]


def _person(row: Row) -> PersonId:
    return PersonId(UUID(str(row["person_id"])))


def _holding(row: Row) -> Holding:
    return Holding(
        person_id=_person(row),
        holding_id=HoldingId(UUID(str(row["holding_id"]))),
        kind=row["kind"],
        institution=row["institution"],
        state=CardState(row["state"]),
        reason=row["reason"],
        document=row["document"],
        issued_on=row["issued_on"],
        expires_on=row["expires_on"],
        stale=row["stale"],
        single=row["single"],
    )


async def certificates(tx: Tx) -> list[tuple[str, str, bytes]]:
    """Role, key id and DER of all certificates, the newest first."""
    return [(row["role"], row["kid"], bytes(row["der"])) for row in await tx.rows(Q.certificates)]


async def keep_certificate(tx: Tx, role: str, kid: str, der: bytes) -> None:
    """Keep a certificate of a key."""
    await tx.do(Q.keep_certificate, role, kid, der)


async def kinds_in_force(tx: Tx) -> list[dict[str, Any]]:
    """The descriptions of approved kinds."""
    return [row["description"] for row in await tx.rows(Q.kinds_in_force)]


async def kind_proposals(tx: Tx, institution: str) -> list[Row]:
    """Proposals of one institution, or of all for an empty one."""
    return await tx.rows(Q.kind_proposals, institution)


async def hold_kind(tx: Tx, kind: str) -> Row | None:
    """One proposal, locked."""
    return await tx.row(Q.hold_kind, kind)


async def put_kind(tx: Tx, kind: str, institution: str, description: dict[str, Any], by: str) -> bool:
    """Keep a proposal; False if another institution has the name."""
    return await tx.do(Q.put_kind, kind, institution, description, by) == 1


async def decide_kind(tx: Tx, kind: str, state: str, by: str) -> None:
    """What was decided about a proposal."""
    await tx.do(Q.decide_kind, kind, state, by)


async def wallet_providers(tx: Tx) -> list[tuple[str, str, bytes]]:
    """Client id, name and anchor of the accepted providers of wallets."""
    return [(row["client_id"], row["name"], bytes(row["anchor"])) for row in await tx.rows(Q.wallet_providers)]


async def put_wallet_provider(tx: Tx, client_id: str, name: str, anchor: bytes, by: str) -> None:
    """Accept a provider of wallets."""
    await tx.do(Q.put_wallet_provider, client_id, name, anchor, by)


async def add_holding(tx: Tx, holding: Holding, facts: bytes) -> bool:
    """Write a new active holding; False if the person has a live one of a single kind."""
    values = (
        holding.person_id, holding.holding_id, holding.kind, holding.institution, holding.document,
        holding.issued_on, holding.expires_on, holding.single, facts,
    )  # fmt: skip
    return await tx.do(Q.add_holding, *values) == 1


async def live_holding(tx: Tx, person_id: PersonId, kind: str) -> tuple[Holding, bytes] | None:
    """The person's newest live holding of a kind and its sealed facts, locked."""
    row = await tx.row(Q.live_holding, person_id, kind)
    return (_holding(row), bytes(row["facts"])) if row else None


async def live_holdings(tx: Tx, wanted: Sequence[Pair]) -> dict[Pair, list[tuple[Holding, bytes]]]:
    """The live holdings of each pair with their sealed facts, the newest last, kept from changing."""
    found: dict[Pair, list[tuple[Holding, bytes]]] = {}
    pairs = list(dict.fromkeys(wanted))
    for row in await tx.rows(Q.live_holdings, [person for person, _ in pairs], [kind for _, kind in pairs]):
        found.setdefault((_person(row), row["kind"]), []).append((_holding(row), bytes(row["facts"])))
    return found


async def holding(tx: Tx, person_id: PersonId, holding_id: HoldingId) -> tuple[Holding, bytes] | None:
    """One holding and its sealed facts, locked."""
    row = await tx.row(Q.holding_by_id, person_id, holding_id)
    return (_holding(row), bytes(row["facts"])) if row else None


async def holdings_of(tx: Tx, person_id: PersonId) -> list[tuple[Holding, bytes, int]]:
    """Everything that a person holds or held, with the sealed facts and the number of copies."""
    rows = await tx.rows(Q.holdings_of_person, person_id)
    return [(_holding(row), bytes(row["facts"]), row["copies"]) for row in rows]


async def renew_facts(tx: Tx, holding: Holding, facts: bytes) -> None:
    """The facts as the register has them now."""
    await tx.do(Q.renew_facts, holding.person_id, holding.holding_id, facts)


async def mark_stale(tx: Tx, person_id: PersonId) -> int:
    """The register has changed; the number of holdings that will be read again."""
    return await tx.do(Q.mark_stale, person_id)


async def set_state(tx: Tx, holding: Holding, value: int, today: date) -> int:
    """Write a holding's state, and `value` for each of its copies; the number of copies (law 2)."""
    await tx.do(Q.set_holding_state, holding.person_id, holding.holding_id, holding.state.value, holding.reason)
    by_list: dict[int, list[int]] = {}
    for row in await tx.rows(Q.copies_of, holding.person_id, holding.holding_id, today):
        by_list.setdefault(row["list_id"], []).append(row["list_index"])
    for list_id, indices in sorted(by_list.items()):
        await tx.do(Q.say_statuses, list_id, indices, value)
    if by_list:
        await tx.do(Q.lists_have_changed, sorted(by_list))
    return sum(map(len, by_list.values()))


async def reserve(tx: Tx, drawn: Sequence[int], crowded: float) -> list[Place]:
    """Take randomly drawn entries of the newest list; of a new one when fewer than `crowded` of them were free."""
    list_id = await tx.value(Q.newest_status_list) or 1
    await tx.do(Q.open_status_list, list_id)
    taken = [row["list_index"] for row in await tx.rows(Q.reserve_entries, list_id, list(drawn))]
    if len(taken) < crowded * len(drawn):
        await tx.do(Q.open_status_list, list_id + 1)
    return [Place(list_id, index) for index in taken]


async def claim_nonces(tx: Tx, nonces: dict[bytes, datetime]) -> set[bytes]:
    """Use nonces up; those that had not been used. As the first statement it costs no round trip of its own."""
    if await tx.first(Q.claim_nonces, list(nonces), list(nonces.values())) == len(nonces):
        return set(nonces)
    return set(nonces) - {bytes(row["nonce"]) for row in await tx.rows(Q.nonces_before, list(nonces))}


async def forget(tx: Tx, at: datetime) -> int:
    """Forget what has expired, each kind after its time; how many rows."""
    gone = await tx.do(Q.forget_copies, at.date())
    for statement in (Q.forget_nonces, Q.forget_offer_links, Q.forget_offers, Q.forget_requests):
        gone += await tx.do(statement, at)
    return gone


def add_copies(tx: Tx, copies: Sequence[tuple[Holding, Place, Format, date]]) -> None:
    """Write signed copies by their places, with the commit."""
    columns = (
        [holding.person_id for holding, *_ in copies],
        [place.list_id for _, place, *_ in copies],
        [place.index for _, place, *_ in copies],
        [holding.holding_id for holding, *_ in copies],
        [form.value for _, _, form, _ in copies],
        [last.isoformat() for *_, last in copies],
    )
    tx.later.append((Q.add_copies, columns))


async def add_offer(tx: Tx, offer: Offer) -> None:
    """Write an offer."""
    values = (offer.person_id, offer.offer_id, list(offer.configurations), offer.secret_hash, offer.tx_hash)
    await tx.do(Q.add_offer, *values, offer.expires_at)


async def hold_offer(tx: Tx, person_id: PersonId, offer_id: UUID) -> Offer | None:
    """One offer, locked."""
    row = await tx.row(Q.hold_offer, person_id, offer_id)
    if row is None:
        return None
    return Offer(
        person_id=_person(row),
        offer_id=offer_id,
        configurations=tuple(row["configurations"]),
        secret_hash=bytes(row["secret_hash"]),
        tx_hash=bytes(row["tx_hash"]),
        tries=row["tries"],
        used=row["used"],
        expires_at=row["expires_at"],
    )


async def count_try(tx: Tx, offer: Offer) -> None:
    """One more wrong transaction code."""
    await tx.do(Q.count_try, offer.person_id, offer.offer_id)


async def use_offer(tx: Tx, offer: Offer) -> None:
    """An offer is used once."""
    await tx.do(Q.use_offer, offer.person_id, offer.offer_id)


async def add_offer_link(tx: Tx, link: str, sealed: bytes, expires_at: datetime) -> None:
    """Keep an offer under its short address."""
    await tx.do(Q.add_offer_link, link, sealed, expires_at)


async def offer_at(tx: Tx, link: str, now: datetime) -> bytes | None:
    """What a short address stands for, sealed; None when it has expired."""
    sealed = await tx.value(Q.offer_at, link, now)
    return bytes(sealed) if sealed else None


async def add_request(tx: Tx, waiting: Waiting, institution: str, holders: bytes, client: str, secret: bytes) -> None:
    """Keep a wallet's request until it is decided."""
    values = (waiting.person_id, waiting.request_id, waiting.holding_id, waiting.kind, institution, waiting.form.value)
    await tx.do(Q.add_request, *values, holders, client, secret, waiting.document)


async def hold_request(tx: Tx, person_id: PersonId, request_id: UUID) -> Row | None:
    """One request, locked."""
    return await tx.row(Q.hold_request, person_id, request_id)


async def waiting_requests(tx: Tx, institution: str, limit: int) -> list[Row]:
    """An institution's waiting requests, the oldest first."""
    return await tx.rows(Q.waiting_requests, institution, limit)


async def set_request(tx: Tx, person_id: PersonId, request_id: UUID, state: str, by: str) -> None:
    """What was decided about a request."""
    await tx.do(Q.set_request, person_id, request_id, state, by)
