"""Who in the register is alike to names of a list that somebody else publishes, such as a list of sanctions.

The register is asked by its blinded keys, and compared by the same weights as duplicates are, so there is no second
index of names anywhere. Without a birth date or year a name alone is compared with nobody: it would fit too many.
"""

from collections.abc import Sequence
from typing import Final

from msingi.identity import blocking, scoring, store
from msingi.identity.enrolment import COMPARED, unsealed
from msingi.identity.model import Birth, Demographics, Name
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

MOST: Final = 500
Asked = tuple[str, str, str]  # given names, family name, birth as YYYY-MM-DD or YYYY
Alike = tuple[PersonId, float]


async def alike_to(stack: Stack, ctx: Context, asked: Sequence[Asked]) -> list[list[Alike]]:
    """For each of up to 500 names, who is alike to it: the person and the bits of likeness, the most alike first.

    It leaves one line about nobody: to be looked for in a list is not to be found in it. Raises NotPermitted.
    """
    if len(asked) > MOST:
        raise ValueError(f"at most {MOST} names at once")
    permit = policy.decide(ctx, "identity.compare-list", policy.ANYONE)
    wanted = [
        blocking.traits(Demographics(name=Name(given, family), birth=Birth(date=born))) for given, family, born in asked
    ]
    secret = stack.keys.mac("blind")
    keys = [blocking.search_keys(secret, traits) if traits.birth else [] for traits in wanted]
    found: list[dict[PersonId, float]] = [{} for _ in asked]
    async with stack.db.transaction(permit) as tx:
        rows = (await store.search(tx, keys, COMPARED, (), ())).candidates
        for place, known in enumerate(await unsealed(tx, stack, rows, len(asked))):
            for person_id, person in known:
                found[place][person_id] = scoring.bits(scoring.reasons(wanted[place], blocking.traits(person)))
        merged = await store.merged(tx, {person_id for alike in found for person_id in alike})
        log.append(tx, permit, detail={"what": "names of a list compared", "names": len(asked)})
    told = []
    for alike in found:
        best: dict[PersonId, float] = {}
        for person_id, bits in alike.items():
            stands_for = merged.get(person_id, person_id)
            best[stands_for] = max(bits, best.get(stands_for, bits))
        told.append(sorted(best.items(), key=lambda one: -one[1]))
    return told
