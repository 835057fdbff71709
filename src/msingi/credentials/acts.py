"""Verbs: issue a card, print it, end it, pause it, list a person's cards; and follow what identity decides."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from msingi.credentials import rules, store, wire
from msingi.credentials.errors import HolderHasCard, NoSuchCard, TooManyCards
from msingi.credentials.issuance import awards
from msingi.credentials.model import (
    Card,
    CardIssued,
    CardState,
    CardStateChanged,
    CardSummary,
    CredentialId,
    Face,
    Form,
    IssuedCard,
    Place,
    Reason,
    StatusChange,
)
from msingi.identity import acts as identity
from msingi.identity.model import Person
from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

if TYPE_CHECKING:  # drawing libraries are loaded when the first card is drawn
    from msingi.credentials.ground import Design

ROOM = "credentials"
_FACE_LABEL = "credentials.face"
ALPHABET = "23456789BCDFGHJKMNPQRTVWXYZ"  # no vowels, so no words; nothing that looks like something else
_DRAWS = 16  # random entries tried at once; a list counts as full when all of them are taken
_printing = asyncio.Lock()  # one card is drawn at a time: it costs CPU, and must not starve the doors


async def issue_card(stack: Stack, ctx: Context, person_id: PersonId, order_id: str = "") -> IssuedCard:
    """Issue an ID card to the person; the card before it ends (law 1).

    `order_id` makes a repetition harmless; by default it is the request's id.
    Raises HolderNotActive, HolderIncomplete, HolderHasCard, and what reading the person raises.
    """
    permit = policy.decide(ctx, "credentials.issue_card", person_id)
    person, photo = await _holder(stack, ctx, person_id)  # before our own transaction: no act holds two connections
    rules.may_hold(person.status, person.demographics.name.full, person.number)
    key = f"issue:{ctx.actor.kind}:{ctx.actor.id}:{order_id or ctx.request_id}:{person_id}"
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, key, {"person": str(person_id)}):
            return msgspec.json.decode(first, type=IssuedCard)
        before = await store.live_card(tx, person_id, Form.ID_CARD)
        if before:
            await _write_state(stack, tx, before, CardState.REVOKED, Reason.REPLACED)
        face, place = await _new_face(stack, tx, person, photo)
        card = Card(
            credential_id=face.credential_id,
            person_id=person_id,
            form=Form.ID_CARD,
            state=CardState.ACTIVE,
            reason="",
            place=place,
            issued_on=face.issued_on,
            expires_on=face.expires_on,
        )
        sealed = await stack.seal.seal(tx, person_id, msgspec.msgpack.encode(face), _FACE_LABEL)
        if not await store.add_card(tx, card, sealed):
            raise HolderHasCard()
        receipt = IssuedCard(
            credential_id=face.credential_id,
            status_list=place.list_id,
            status_index=place.index,
            qr_text=face.qr_text,
            issued_on=face.issued_on,
            expires_on=face.expires_on,
            ended=before.credential_id if before else "",
        )
        detail: dict[str, str | int | bool] = {
            "card": face.credential_id,
            "expires": face.expires_on.isoformat(),
            "ended": receipt.ended,
        }
        log.append(tx, permit, subject=person_id, detail=detail)
        await stack.outbox.emit(
            tx, "credentials.card-issued", CardIssued(person_id, face.credential_id, face.expires_on)
        )
        await once.settle(tx, ROOM, key, msgspec.json.encode(receipt))
    return receipt


async def card_pdf(stack: Stack, ctx: Context, credential_id: CredentialId) -> bytes:
    """The card as a PDF of two pages, 85.60 x 53.98 mm, exactly as it was issued (law 7).

    Raises NoSuchCard, CardEnded, CardSuspended.
    """
    from msingi.credentials import card as drawing

    faces = await _faces(stack, ctx, "credentials.card_pdf", [credential_id])
    async with _printing:
        return await asyncio.to_thread(drawing.document, faces, _design(stack))


async def card_code(stack: Stack, ctx: Context, credential_id: CredentialId) -> bytes:
    """The card's QR code as a PNG, for the holder's telephone: the same signed text that the card carries.

    Raises NoSuchCard, CardEnded, CardSuspended.
    """
    from msingi.credentials import picture

    [face] = await _faces(stack, ctx, "credentials.card_code", [credential_id])
    return picture.write_qr(face.qr_text)


async def sheet_pdf(stack: Stack, ctx: Context, credential_ids: Sequence[CredentialId]) -> bytes:
    """A4 sheets with eight cards each and crop marks, fronts and backs, for a duplex printer.

    Raises NoSuchCard, CardEnded, CardSuspended if one of the cards cannot be printed, TooManyCards above 200,
    Malformed for none.
    """
    from msingi.credentials import sheet

    if not credential_ids:
        raise Malformed("Name at least one card.", field="credential_ids", rule="at-least-one")
    if len(credential_ids) > rules.MAX_SHEET_CARDS:
        raise TooManyCards(most=rules.MAX_SHEET_CARDS)
    faces = await _faces(stack, ctx, "credentials.sheet_pdf", list(dict.fromkeys(credential_ids)))
    async with _printing:
        return await asyncio.to_thread(sheet.document, faces, _design(stack))


async def revoke(stack: Stack, ctx: Context, credential_id: CredentialId, reason: Reason) -> StatusChange:
    """End a card for good. Raises NoSuchCard."""
    return await _change(stack, ctx, "credentials.revoke", credential_id, CardState.REVOKED, reason)


async def suspend(stack: Stack, ctx: Context, credential_id: CredentialId, reason: Reason) -> StatusChange:
    """Pause a card until it is reinstated or revoked. Raises NoSuchCard, CardEnded."""
    return await _change(stack, ctx, "credentials.suspend", credential_id, CardState.SUSPENDED, reason)


async def reinstate(stack: Stack, ctx: Context, credential_id: CredentialId, reason: Reason) -> StatusChange:
    """Make a suspended card valid again. Raises NoSuchCard, CardEnded."""
    return await _change(stack, ctx, "credentials.reinstate", credential_id, CardState.ACTIVE, reason)


async def cards_of(stack: Stack, ctx: Context, person_id: PersonId) -> tuple[CardSummary, ...]:
    """All cards of the person, the newest first."""
    permit = policy.decide(ctx, "credentials.cards_of", person_id)
    async with stack.db.transaction(permit) as tx:
        cards = await store.cards_of(tx, person_id)
        log.append(tx, permit, subject=person_id, detail={"cards": len(cards)})
    today = clock.today()
    return tuple(
        CardSummary(c.credential_id, c.form, rules.state_on(c, today), c.reason, c.issued_on, c.expires_on)
        for c in cards
    )


async def follow_identity(stack: Stack, ctx: Context, person_id: PersonId, status: str) -> int:
    """Bring all cards and other credentials of the person in line with the identity; how many changed."""
    permit = policy.decide(ctx, "credentials.follow_identity", person_id)
    changed = 0
    async with stack.db.transaction(permit) as tx:
        for card in await store.cards_of(tx, person_id):
            wanted = rules.follow(card, status, clock.today())
            if wanted is not card:
                await _write_state(stack, tx, card, wanted.state, Reason(wanted.reason or Reason.HOLDER_REINSTATED))
                changed += 1
        changed += await awards.follow(stack, tx, person_id, status)
        log.append(tx, permit, subject=person_id, detail={"identity": status, "cards": changed})
    return changed


async def change_all(stack: Stack, tx: Tx, person_id: PersonId, wanted: CardState, reason: Reason) -> int:
    """Bring every live card of the person into a state, inside the act of the credential that they show."""
    changed, today = 0, clock.today()
    for card in await store.cards_of(tx, person_id):
        if rules.state_on(card, today) in ("expired", CardState.REVOKED, wanted):
            continue
        await _write_state(stack, tx, card, wanted, reason)
        changed += 1
    return changed


async def _change(
    stack: Stack, ctx: Context, act: str, credential_id: CredentialId, wanted: CardState, reason: Reason
) -> StatusChange:
    person_id = (await _holders(stack, [credential_id]))[credential_id]
    permit = policy.decide(ctx, act, person_id, reason=reason.value)
    key = f"{act}:{ctx.request_id}:{credential_id}"
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, key, {"card": credential_id, "reason": reason}):
            return msgspec.json.decode(first, type=StatusChange)
        card = await store.card(tx, person_id, credential_id)
        if card is None:
            raise NoSuchCard()
        after = await _write_state(stack, tx, card, wanted, reason)
        receipt = StatusChange(credential_id, after.state, reason)
        log.append(
            tx, permit, subject=person_id, detail={"card": credential_id, "state": after.state, "reason": reason}
        )
        await once.settle(tx, ROOM, key, msgspec.json.encode(receipt))
    return receipt


async def _write_state(stack: Stack, tx: Tx, card: Card, wanted: CardState, reason: Reason) -> Card:
    """Decide and write one change of state, its entry in the status list, and the news of it."""
    after = rules.change(card, wanted, reason, clock.today())
    if after is not card:
        await store.set_state(tx, after, rules.listed(after.state))
        news = CardStateChanged(card.person_id, card.credential_id, after.state, reason)
        await stack.outbox.emit(tx, "credentials.card-state-changed", news)
    return after


async def _holders(stack: Stack, credential_ids: Sequence[CredentialId]) -> dict[CredentialId, PersonId]:
    """Whose cards these are, so that a permit can be asked for. Raises NoSuchCard if one is unknown."""
    async with stack.db.reading(ROOM) as tx:
        found = await store.holders(tx, credential_ids)
    if len(found) != len(set(credential_ids)):
        raise NoSuchCard()
    return found


async def _faces(stack: Stack, ctx: Context, act: str, credential_ids: list[CredentialId]) -> list[Face]:
    """The faces of printable cards, with one leaf for each holder."""
    holders = await _holders(stack, credential_ids)
    people = tuple(dict.fromkeys(holders[c] for c in credential_ids))
    permit = policy.decide(ctx, act, people if len(people) != 1 else people[0])
    faces: list[Face] = []
    async with stack.db.transaction(permit) as tx:
        for card, sealed in await store.sealed_faces(tx, [(holders[c], c) for c in credential_ids]):
            rules.may_print(card, clock.today())
            plain = await stack.seal.unseal(tx, card.person_id, sealed, _FACE_LABEL)
            faces.append(msgspec.msgpack.decode(plain, type=Face))
            log.append(tx, permit, subject=card.person_id, detail={"card": card.credential_id})
        if len(faces) != len(credential_ids):
            raise NoSuchCard()
    return faces


async def _holder(stack: Stack, ctx: Context, person_id: PersonId) -> tuple[Person, bytes]:
    """The person and the photo, read by identity's own act, which leaves its own leaf."""
    person = await identity.read_person(stack, ctx, person_id)
    photo = await identity.read_photo(stack, ctx, person_id)
    return person, photo or b""


async def _new_face(stack: Stack, tx: Tx, person: Person, photo: bytes) -> tuple[Face, Place]:
    """A face with a fresh card number and status entry, signed."""
    profile, known = stack.profile, person.demographics
    language = profile.language
    issued_on = clock.today()
    regions = {region.code: profile.say(region.name, language) for region in profile.regions}
    place = await _take_place(tx)
    face = Face(
        credential_id=await _take_number(tx, person.person_id),
        number=person.number,
        given_name=known.name.given,
        family_name=known.name.family,
        second_given=known.second_name.given if known.second_name else "",
        second_family=known.second_name.family if known.second_name else "",
        birth_date=known.birth.date,
        sex=known.sex.value,
        nationality=profile.alpha3,
        place=regions.get(known.region, ""),
        issued_on=issued_on,
        expires_on=rules.expiry(issued_on, known.birth.date, profile.card_years, profile.adult_age),
        photo_jpeg=photo,
        qr_text="",
    )
    claims = wire.claims_of(face, stack.settings.url, place, language, known.second_language)
    signed = wire.qr_text(claims, stack.keys.signer("credentials"))
    return msgspec.structs.replace(face, qr_text=signed), place


async def _take_number(tx: Tx, person_id: PersonId) -> CredentialId:
    while True:
        drawn = CredentialId("".join(secrets.choice(ALPHABET) for _ in range(9)))
        if await store.take_number(tx, drawn, person_id):
            return drawn


async def _take_place(tx: Tx) -> Place:
    """A random entry that nobody has, in the newest list, or in the next one when that is as good as full."""
    list_id = await store.newest_list(tx)
    while True:
        draws = [secrets.randbelow(rules.LIST_SIZE) for _ in range(_DRAWS)]
        place = rules.first_free(list_id, draws, await store.taken(tx, list_id, draws))
        if place is None:
            list_id = await store.open_list(tx, list_id + 1)
        elif await store.take(tx, place):
            return place


def _design(stack: Stack) -> "Design":
    from msingi.credentials.ground import design_of

    return design_of(stack.profile, stack.settings.url, specimen=stack.settings.sandbox)
