"""Hands granted corrections over to the register of people: a proposal that a second person there decides.

Governance decides that a person is right; what the register then says is the register's own act, with its evidence
rules and its four eyes. What a text cannot say plainly, such as a photo, an officer proposes by hand.
"""

import logging

import msgspec

from msingi.consent import acts as consent
from msingi.governance import rules
from msingi.governance.model import ObjectionGranted, RectificationGranted
from msingi.identity.lifecycle import acts as lifecycle
from msingi.identity.lifecycle.model import Amendment, UpdateOrder
from msingi.identity.model import Address, Birth, Document, Name, Sex
from msingi.kernel.context import job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.governance")
SEXES = {"f": Sex.FEMALE, "female": Sex.FEMALE, "m": Sex.MALE, "male": Sex.MALE}


def amendment(subject: str, wanted: str, regions: dict[str, str]) -> Amendment | None:
    """The change that is meant, or None if its words do not say it plainly; `regions` gives codes by name.

    The last word of a name is taken as the family name: whoever decides the proposal sees both, and can refuse.
    """
    plain = wanted.strip()
    if subject == "name":
        given, _, family = plain.rpartition(" ")
        return Amendment(name=Name(given, family) if given else Name(family, ""))
    if subject == "birth_date":
        return Amendment(birth=Birth(plain))
    if subject == "sex" and plain.lower() in SEXES:
        return Amendment(sex=SEXES[plain.lower()])
    if subject == "region" and plain.lower() in regions:
        return Amendment(region=regions[plain.lower()])
    if subject == "address":
        return Amendment(address=Address((plain,)))
    return None


async def hand_over(stack: Stack, payload: bytes) -> None:
    """A correction was granted: propose it to the register, once, naming the case as evidence."""
    granted = msgspec.json.decode(payload, type=RectificationGranted)
    regions = {name.lower(): r.code for r in stack.profile.regions for name in (*r.name.values(), r.code)}
    change = amendment(granted.subject, granted.wanted, regions)
    if change is None or granted.subject not in rules.PARTS:
        logger.info("a correction waits for an officer", extra={"case": str(granted.case_id)})
        return
    evidence = (Document(kind="decision", number=str(granted.case_id), issuer=granted.officer),)
    order = UpdateOrder(change, f"Correction granted in case {granted.case_id}", evidence)
    ctx = job_context("rectification", "redress", "legal-obligation")
    try:
        await lifecycle.propose_update(stack, ctx, granted.person_id, order, f"case-{granted.case_id}")
    except Refusal as no:  # for example a date that is none: a person must look, and repeating would not help
        logger.warning("a correction waits for an officer: %s", no.code, extra={"case": str(granted.case_id)})


async def stop(stack: Stack, payload: bytes) -> None:
    """An objection was upheld: the use of data is stopped at the exchange; doing it twice changes nothing."""
    granted = msgspec.json.decode(payload, type=ObjectionGranted)
    ctx = job_context("objection", "consent-management", "legal-obligation")
    await consent.stop_use(stack, ctx, granted.person_id, granted.institution, granted.purpose, granted.reference)
