"""Finding those who are to be paid from a list of identity numbers: thousands at a time.

What the register gives away here stays within the stack: an id that leads to an account. Whoever handed the list in
learns only that somebody could not be paid. Everybody who was found reads of it in their own log, all in one leaf.
"""

import re
from collections.abc import Iterable

from msingi.identity import aliases, numbers, store
from msingi.identity.enrolment import number_key
from msingi.identity.errors import NumberWrong
from msingi.identity.model import Status
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

_PLAIN = re.compile(r"[1-9][0-9]{11}", re.ASCII)


@crossing("payments")
async def payees_by_number(stack: Stack, ctx: Context, wanted: Iterable[str]) -> dict[str, PersonId]:
    """The person in use behind each identity number or virtual id; malformed, unknown and inactive ones are absent.

    For the stack's own work on payment lists: misses are not counted. Raises NotPermitted for anybody else.
    """
    permit = policy.decide(ctx, "identity.find-payees", policy.ANYONE)
    keys: dict[bytes, list[str]] = {}  # one number may be written in several ways
    others: list[str] = []
    for text in wanted:
        if _PLAIN.fullmatch(text):  # nearly always; a wrong check digit finds nobody, for nobody was given that number
            keys.setdefault(number_key(stack, text), []).append(text)
        elif numbers.is_alias(text):
            others.append(text)
        else:
            try:
                keys.setdefault(number_key(stack, numbers.parse(text)), []).append(text)
            except NumberWrong:
                continue
    people: dict[str, PersonId] = {}
    async with stack.db.transaction(permit) as tx:
        for key, (person, status) in (await store.by_numbers(tx, keys)).items():
            if status is Status.ACTIVE:
                people.update(dict.fromkeys(keys[key], person))
        for text in others:
            try:
                meant = await aliases.resolve(tx, stack, ctx, text)
            except NumberWrong:
                continue
            if meant is not None and meant[1] is Status.ACTIVE:
                people[text] = meant[0]
        if people:
            log.append_all(tx, permit, list(dict.fromkeys(people.values())), {"what": "found by number"})
        else:
            log.append(tx, permit, detail={"what": "nobody found by number"})
    return people
