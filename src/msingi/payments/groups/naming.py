"""Whom a member means who types a phone or a number to name another one."""

from msingi.identity import acts as identity
from msingi.identity.errors import NotInUse
from msingi.kernel.context import Context
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments.bank import acts as bank


async def person_meant(stack: Stack, ctx: Context, typed: str) -> PersonId:
    """Whom a phone, identity number or virtual id means. Raises NoSuchAccount."""
    alias = bank.alias_of(stack, typed)
    if alias is None or alias.kind not in ("phone", "identity"):
        raise ledger_errors.NoSuchAccount(party="holder")
    find = identity.person_by_phone if alias.kind == "phone" else identity.person_by_number
    try:
        return await find(stack, ctx, alias.value)
    except (NotFound, NotInUse):
        raise ledger_errors.NoSuchAccount(party="holder") from None
