"""The only file of this sub-room that runs SQL. It decides nothing."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec

from msingi.identity.errors import GuardianAlready
from msingi.identity.lifecycle.model import (
    GuardianKind,
    Guardianship,
    Proposal,
    ProposalId,
    ProposalKind,
    ProposalState,
)
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


class Kept(msgspec.Struct):
    """A proposal with what only its decision needs: the version that it rests on, and its sealed content."""

    proposal: Proposal
    expected: datetime
    sealed: bytes


def _proposal(row: Row) -> Proposal:
    return Proposal(
        ProposalId(row["proposal_id"]),
        ProposalKind(row["kind"]),
        ProposalState(row["state"]),
        row["proposed_by"],
        row["proposed_at"],
        PersonId(row["person_id"]),
        tuple(row["fields"]),
        row["other_id"],
        row["decided_by"] or "",
        row["decided_at"],
    )


async def add_proposal(tx: Tx, made: Proposal, expected: datetime, sealed: bytes) -> None:
    """Keep a proposal; `expected` is the version that it rests on."""
    p = made
    facts: tuple[Any, ...] = (p.person_id, p.proposal_id, p.kind, list(p.fields), p.other_id)
    await tx.do(Q.add_proposal, *facts, expected, sealed, p.proposed_by, p.proposed_at)


async def open_proposals(tx: Tx, after: ProposalId, limit: int) -> tuple[list[Proposal], int]:
    """A page of proposals that wait, and how many wait in all."""
    rows = await tx.rows(Q.open_proposals, after, limit)
    return [_proposal(row) for row in rows], await tx.value(Q.open_count)


async def proposals_of(tx: Tx, person_id: PersonId, limit: int) -> list[Proposal]:
    """The proposals about a person, newest first."""
    return [_proposal(row) for row in await tx.rows(Q.proposals_of, person_id, limit)]


async def lock_proposal(tx: Tx, proposal_id: ProposalId) -> Kept | None:
    """One proposal, locked until the transaction ends."""
    row = await tx.row(Q.lock_proposal, proposal_id)
    return None if row is None else Kept(_proposal(row), row["expected"], bytes(row["sealed"]))


async def close_proposal(tx: Tx, made: Proposal, state: ProposalState, by: str, at: datetime, sealed: bytes) -> None:
    """Write what was decided of a proposal; the reason stands in what is sealed."""
    await tx.do(Q.close_proposal, made.person_id, made.proposal_id, state, by, at, sealed)


async def add_guardianship(tx: Tx, right: Guardianship, because: bytes, at: datetime) -> None:
    """Write a guardian's right; `because` is sealed.

    Raises GuardianAlready if the guardian has one over the person in that time.
    """
    days = right.since, right.until
    try:
        await tx.do(Q.add_guardianship, right.person_id, right.guardian_id, right.kind, *days, because, at)
    except asyncpg.ExclusionViolationError:
        raise GuardianAlready() from None


async def add_enrolled_guardians(tx: Tx, rights: Sequence[Guardianship], since: date, at: datetime) -> None:
    """Write the guardians who were named at enrolment; those who would be so no day are left out."""
    people, guardians = [r.person_id for r in rights], [r.guardian_id for r in rights]
    kinds, untils = [r.kind for r in rights], [r.until for r in rights]
    await tx.do(Q.add_enrolled_guardians, people, guardians, kinds, since, untils, at)


async def end_guardianship(tx: Tx, person_id: PersonId, guardian_id: PersonId, on: date) -> bool:
    """End a guardian's right; False if there was none to end."""
    return await tx.value(Q.end_guardianship, person_id, guardian_id, on) > 0


def _right(row: Row) -> Guardianship:
    people = PersonId(row["person_id"]), PersonId(row["guardian_id"])
    return Guardianship(*people, GuardianKind(row["kind"]), row["since"], row["until"])


async def guardians(tx: Tx, person_id: PersonId, on: date, known_at: datetime) -> list[Guardianship]:
    """Who may act for a person on a day, as it was known at an instant."""
    return [_right(row) for row in await tx.rows(Q.guardians, person_id, on, known_at)]


async def wards(tx: Tx, guardian_id: PersonId, on: date) -> list[Guardianship]:
    """For whom a person may act on a day, at most 100."""
    return [_right(row) for row in await tx.rows(Q.wards, guardian_id, on)]


async def ended_guardianships(tx: Tx, on: date, limit: int) -> list[PersonId]:
    """People over whom a right ended by time and nobody was told yet."""
    return [PersonId(row["person_id"]) for row in await tx.rows(Q.ended_guardianships, on, limit)]


async def told_ends(tx: Tx, people: Sequence[PersonId], on: date) -> None:
    """Everybody was told."""
    await tx.do(Q.told_ends, list(people), on)
