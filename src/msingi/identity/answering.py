"""Telling whether people are whom somebody takes them for, many at a time: one look-up, one leaf."""

import re
from collections.abc import Sequence

import msgspec

from msingi.identity import numbers, rules, store
from msingi.identity.enrolment import number_key, unseal_version
from msingi.identity.errors import NumberWrong
from msingi.identity.matching import matches
from msingi.identity.model import Status
from msingi.identity.model_said import Matched, Said, Supposed
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased, Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

_DATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")


def tidy_said(stack: Stack, said: Said) -> Said:
    """What was said, in the forms of the register. Raises Malformed, naming the field."""
    if said.birth_date and not _DATE.fullmatch(said.birth_date):
        raise Malformed("A date is YYYY, YYYY-MM or YYYY-MM-DD.", field="birth_date", rule="date")
    if any(len(getattr(said, field)) > 300 for field in said.__struct_fields__):
        raise Malformed("A text has at most 300 characters.", field="demographics", rule="300 characters")
    return msgspec.structs.replace(said, phone=rules.phone(said.phone, stack.profile)) if said.phone else said


def _keys(stack: Stack, supposed: Sequence[Supposed]) -> dict[str, bytes]:
    found = {}
    for number in {s.number for s in supposed if s.number}:
        try:
            found[number] = number_key(stack, numbers.parse(number))
        except NumberWrong:
            continue
    return found


async def match_many(stack: Stack, ctx: Context, supposed: Sequence[Supposed]) -> list[Matched]:
    """For each supposition whom it is about, and whether what was said is so; nobody's for people out of use.

    One leaf for the look-up: whoever asked leaves one for each person, who sees that.
    """
    keys = _keys(stack, supposed)
    permit = policy.decide(ctx, "identity.match", policy.ANYONE)
    found: list[Matched] = []
    async with stack.db.transaction(permit) as tx:
        numbered = await store.by_numbers(tx, keys.values()) if keys else {}
        owners = [numbered.get(keys[s.number], (None,))[0] if s.number in keys else s.person_id for s in supposed]
        rows = await store.current(tx, {o for o in owners if o is not None})
        for asked, owner in zip(supposed, owners, strict=True):
            row = None if owner is None else rows.get(owner)
            if owner is None or row is None or row["status"] != Status.ACTIVE:
                found.append(Matched(None, {}))
                continue
            found.append(await _compared(stack, tx, owner, row["sealed"], asked.said))
        log.append(tx, permit, detail={"what": "compared for institutions", "people": len(rows)})
    return found


async def _compared(stack: Stack, tx: Tx, owner: PersonId, sealed: bytes, said: Said | None) -> Matched:
    if said is None:
        return Matched(owner, {})
    try:
        known = await unseal_version(tx, stack, owner, sealed)
    except Erased:
        return Matched(None, {})
    return Matched(owner, matches(said, known))
