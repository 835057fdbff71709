"""People and contexts for the tests of consent and exchange."""

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from msingi.consent.model import AgreementId, AgreementOrder, AgreementText, Controller
from msingi.kernel.context import Context, Kind
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

TEXT = AgreementText("Muhtasari", "kukutibu", "Hospitali inasoma muhtasari wako.", {"person.name": "Jina"})


async def newborn(stack: Stack, owner_url: str) -> PersonId:
    """Somebody with a key and nothing else: enough to consent, and to be asked about."""
    person_id = PersonId(uuid7())
    wrapped = stack.keys.wrap(AESGCM.generate_key(256), person_id.bytes)
    conn = await asyncpg.connect(owner_url)
    await conn.execute("INSERT INTO kernel.person_key (person_id, wrapped) VALUES ($1, $2)", person_id, wrapped)
    await conn.close()
    return person_id


def oneself(ctx_of, person_id: PersonId, purpose: str = "consent-management", assurance: int = 2) -> Context:
    """The person's own context."""
    return ctx_of(Kind.PERSON, person_id, purpose=purpose, basis="legal-obligation", assurance=assurance)


def steward(ctx_of, institution: str = "hospitali", roles: tuple[str, ...] = ("data-steward",)) -> Context:
    """A data steward's context."""
    return ctx_of(
        Kind.STAFF, "steward-1", roles=roles, institution=institution, purpose="consent-management",
        basis="legal-obligation",
    )  # fmt: skip


def agreement_order(name: str = "hospital-summary", **changes) -> AgreementOrder:
    """A data agreement of the hospital, for two fields of a service called person."""
    order = {
        "agreement": AgreementId(name),
        "institution": "hospitali",
        "controller": Controller({"sw": "Hospitali ya Mkoa", "en": "Regional Hospital"}, "Mwembeni", "dpo@hospitali"),
        "purpose": "health-care",
        "basis": "consent",
        "law": "Health Services Act",
        "fields": ("person.name", "person.birth_date"),
        "term_days": 90,
        "keep_days": 3650,
        "texts": {"sw": TEXT, "en": AgreementText("Summary", "to treat you", "The hospital reads it.")},
    }
    return AgreementOrder(**order | changes)
