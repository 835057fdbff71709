"""Who in the register is alike to names of a list that somebody else publishes, such as a list of sanctions.

The register is asked by its blinded keys, and compared by the same weights as duplicates are, so there is no second
index of names anywhere. Without a birth date or year a name alone is compared with nobody: it would fit too many.
"""

from collections.abc import Sequence
from typing import Final

from msingi.identity import blocking, scoring, store
from msingi.identity.enrolment import COMPARED, unseal_version
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
        rows = await store.candidates(tx, keys, COMPARED)
        sealed = {PersonId(row["person_id"]): row["sealed"] for row in rows}
        await stack.seal.fetch(tx, sealed)
        known = {
            person_id: blocking.traits(await unseal_version(tx, stack, person_id, version))
            for person_id, version in sealed.items()
            if person_id in tx.person_keys
        }
        for row in rows:
            person_id = PersonId(row["person_id"])
            if person_id in known:
                bits = scoring.bits(scoring.reasons(wanted[row["place"]], known[person_id]))
                stands_for = PersonId(row["merged_into"] or person_id)
                best = found[row["place"]]
                best[stands_for] = max(bits, best.get(stands_for, bits))
        log.append(tx, permit, detail={"what": "names of a list compared", "names": len(asked)})
    return [sorted(best.items(), key=lambda one: -one[1]) for best in found]
