"""How a search is carried out: whom it names, which candidates are judged, where the next page begins.

Laws 8 and 9. Called by `acts` alone.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from msingi.health import ownership, searching, store
from msingi.health.errors import BadSearchValue
from msingi.health.model import Page, Stored
from msingi.health.ownership import index_of
from msingi.health.recording import opened
from msingi.health.searching import Pairs, Query
from msingi.kernel.context import Context, Kind
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Erased
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

SCAN_LIMIT = 2_000
TOKEN = "health.page"


def scope(ctx: Context) -> str:
    """Whose copies are seen: a person sees those of every institution, an institution its own (law 3)."""
    return "" if ctx.actor.kind is Kind.PERSON else ctx.actor.institution


class Cursor(msgspec.Struct, frozen=True):
    """Where a search goes on: its type ("" for a whole record), parameters, the instant it began, the last row seen."""

    rtype: str
    pairs: Pairs
    began: datetime
    started: datetime
    last: UUID


def page_token(stack: Stack, cursor: Cursor) -> str:
    """A cursor sealed for the address of the next page: it cannot be changed, and shows nothing."""
    return stack.seal.seal_with_room_key(TOKEN, msgspec.msgpack.encode(cursor)).hex()


def cursor_of(stack: Stack, token: str) -> Cursor:
    """What `page_token` sealed. Raises BadSearchValue if it was changed."""
    try:
        return msgspec.msgpack.decode(stack.seal.unseal_with_room_key(TOKEN, bytes.fromhex(token)), type=Cursor)
    except (ValueError, msgspec.MsgspecError):
        raise BadSearchValue("The address of a page is used as it was given.", parameter="_page") from None


async def named_people(stack: Stack, ctx: Context, query: Query) -> tuple[Query, tuple[PersonId, ...] | None]:
    """The people that a search is about, None if it names none; what named them by number leaves the query."""
    clauses, people = [], list(query.people)
    for clause in query.clauses:
        systems = {system for system, _ in clause.values}
        known = {stack.profile.number_system, ownership.pseudonym_system(stack, ctx.actor.institution)}
        if query.rtype == "Patient" and clause.parameter.name == "identifier" and systems <= known:
            people += [(system or "", code) for system, code in clause.values]
        else:
            clauses.append(clause)
    found: list[PersonId] = []
    for system, code in people:
        person = await ownership.person_of(stack, ctx, system, code)
        if person is None:
            raise BadSearchValue("A person is named by identity number or by the institution's pseudonym.")
        found.append(person)
    if query.patients:
        found_places = await ownership.places(stack, query.patients)
        of_patients = [p.person_id for p in found_places.values() if scope(ctx) in ("", p.institution)]
        found = [p for p in found if p in of_patients] if people else of_patients
    query = msgspec.structs.replace(query, clauses=tuple(clauses))
    if ctx.actor.kind is Kind.PERSON:
        own = PersonId(UUID(ctx.actor.id))
        return query, (own,) if own in found or not (people or query.patients) else tuple(found) or (own,)
    return query, tuple(dict.fromkeys(found)) if people or query.patients else None


async def page_of(
    stack: Stack, tx: Tx, ctx: Context, query: Query, cursor: Cursor, person: PersonId | None, *, registry: bool
) -> Page:
    """Walk the candidates until the page is full: each is opened and judged again (law 8)."""
    matches: list[Stored] = []
    after, scanned = (cursor.started, cursor.last), 0
    while scanned < SCAN_LIMIT:
        size = max(query.count + 1 - len(matches), 50)
        rows = await store.candidates(
            tx,
            query.rtype,
            person_id=person,
            institution=scope(ctx),
            registry=registry,
            keys=searching.probes(query, index_of(stack)),
            existing=cursor.began,
            after=after,
            bounds=searching.bounds(query),
            ids=query.ids,
            limit=size,
        )
        for row in rows:
            if len(matches) == query.count:
                return Page(matches, [], next_token(stack, cursor, after))
            after = (row["started"], row["id"])
            one = await _if_readable(stack, tx, row)
            if one is not None and searching.fits(query, one.body, one.updated, ctx.at):
                matches.append(one)
        scanned += len(rows)
        if len(rows) < size:
            return Page(matches)
    return Page(matches, [], next_token(stack, cursor, after))


def next_token(stack: Stack, cursor: Cursor, after: tuple[datetime, UUID]) -> str:
    """The token of the page that begins after a row (clinical time, id)."""
    return page_token(stack, msgspec.structs.replace(cursor, started=after[0], last=after[1]))


async def _if_readable(stack: Stack, tx: Tx, row: Row) -> Stored | None:
    try:
        return await opened(stack, tx, row)
    except Erased:
        return None
