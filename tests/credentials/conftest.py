"""Cards for the tests of this room: a signer, claims, a face, and an issuer's key set."""

import random
from datetime import UTC, date, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from msingi.countries.portrait import portrait
from msingi.credentials import wire
from msingi.credentials.model import CredentialId, Face, Place
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name, Sex
from msingi.kernel.context import Kind, job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.keys import SoftwareSigner

ISSUER = "https://id.example"
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def signer() -> SoftwareSigner:
    """An Ed25519 signer with a fixed secret, so that failures repeat."""
    return SoftwareSigner("Ed25519", bytes(range(32)))


@pytest.fixture(scope="session")
def es256() -> SoftwareSigner:
    """A P-256 signer."""
    return SoftwareSigner("ES256", bytes(range(32)))


@pytest.fixture(scope="session")
def stranger() -> SoftwareSigner:
    """A signer whom nobody trusts."""
    return SoftwareSigner("Ed25519", Ed25519PrivateKey.generate().private_bytes_raw())


def face(**changed: object) -> Face:
    """A woman with two given names and a photo; issued 2026-11-21 for ten years."""
    parts: dict = {
        "credential_id": CredentialId("K7M2X9P4T"),
        "number": "482910337516",
        "given_name": "Neema Upendo",
        "family_name": "Mwakasege",
        "birth_date": "1988-01-02",
        "sex": "female",
        "nationality": "UTO",
        "place": "Mashariki",
        "issued_on": date(2026, 11, 21),
        "expires_on": date(2036, 11, 21),
        "photo_jpeg": portrait("card", "female", 38),
        "qr_text": "",
    }
    return Face(**(parts | changed))


def signed_face(signer: SoftwareSigner, **changed: object) -> Face:
    """`face` with its QR text, signed; its status stands in list 1, entry 12345."""
    from msgspec.structs import replace

    bare = face(**changed)
    claims = wire.claims_of(bare, ISSUER, Place(1, 12345), "sw", "ar")
    return replace(bare, qr_text=wire.qr_text(claims, signer))


@pytest.fixture(scope="session")
def qr_text(signer: SoftwareSigner) -> str:
    """The QR text of the sample face."""
    return signed_face(signer).qr_text


@pytest.fixture(scope="session")
def jwks(signer: SoftwareSigner) -> dict:
    """The issuer's public keys."""
    return {"keys": [signer.jwk]}


GIVEN = ["Neema", "Zawadi", "Rehema", "Upendo", "Halima", "Saida", "Grace", "Esther", "Joyce", "Furaha", "Salma"]
FAMILY = ["Mushi", "Massawe", "Kimaro", "Shayo", "Lyimo", "Mollel", "Laizer", "Ngowi", "Swai", "Mwanga", "Mbwana"]
_made = iter(range(10**6))


@pytest.fixture
def officer(ctx_of):
    """A new request of a card officer."""
    return lambda **more: ctx_of(
        Kind.STAFF,
        "officer-1",
        roles=more.pop("roles", ["card-officer", "enrolment-officer"]),
        institution="rita",
        purpose=more.pop("purpose", "credential-issuance"),
        basis="legal-obligation",
        **more,
    )


@pytest.fixture
def own(ctx_of):
    """A new request of the person."""
    return lambda person_id, **more: ctx_of(
        Kind.PERSON, person_id, purpose="credential-issuance", basis="legal-obligation", **more
    )


@pytest.fixture
async def enrolled(stack):
    """Enrols somebody who is like nobody else."""

    async def enrol(photo: bool = True) -> PersonId:
        index = next(_made)
        dice = random.Random(index)
        order = EnrolmentOrder(
            name=Name(f"{dice.choice(GIVEN)} {''.join(dice.choices('abcdefghkmnoprstuw', k=9))}", dice.choice(FAMILY)),
            birth=Birth(date(1950, 1, 1).replace(year=1950 + index % 50, day=1 + index % 28).isoformat()),
            sex=Sex.FEMALE,
            region=dice.choice(stack.profile.regions).code,
            photo=portrait(index, "female") if photo else None,
        )
        outcome = await identity.enrol(stack, job_context("setup", "identity-registration"), order, f"t{index}")
        assert isinstance(outcome, Enrolled)
        return outcome.person_id

    return enrol


@pytest.fixture
async def person(enrolled):
    """Somebody with a photo."""
    return await enrolled()
