"""People for the tests of sign-in."""

from datetime import date

from msingi.identity import acts as identity
from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.ids import PersonId, uuid7


async def enrol(stack, given, family, phone):
    pid = PersonId(uuid7())
    permit = policy.decide(job_context("sample"), "signin.set-pin", pid)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.create_key(tx, pid)
        log.append(tx, permit, subject=pid)
    p = identity.Person(pid, str(pid.int)[:12], given, family, f"{given} {family}", date(1990, 1, 2), phone)
    identity.PEOPLE[str(pid)] = p
    return p
