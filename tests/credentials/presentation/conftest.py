"""A wallet, two authorities, and one credential of each form for the tests of presentation."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.credentials.presentation.wallet import (
    DOCTYPE,
    HAS_WALLET,
    NOW,
    SPACE,
    VCT,
    Authority,
    Wallet,
    jwk_of,
    public_of,
)

CLAIMS = {
    "vct": VCT,
    "iss": "https://id.example",
    "nbf": NOW - 3_600,
    "exp": NOW + 86_400 * 30,
    "given_name": "Neema",
    "family_name": "Mwakasege",
    "birth_date": "1988-01-02",
    "age_over_18": True,
    "address": {"region": "Mashariki", "street": "Barabara ya 3"},
    "nationalities": ["UTO", "KEN"],
}
FRAME = {
    "_sd": ["given_name", "family_name", "birth_date", "age_over_18", "address", "nationalities"],
    "address": {"_sd": ["region", "street"]},
    "nationalities": {"_sd": [0, 1]},
}
ELEMENTS = {SPACE: {"given_name": "Neema", "family_name": "Mwakasege", "age_over_18": True, "height": 171}}


@pytest.fixture(scope="session")
def wallet() -> Iterator[Wallet]:
    """Other people's wallet; the tests that need it are skipped where Node or its packages are not installed."""
    if not HAS_WALLET:
        pytest.skip("needs node and tests/js/node_modules")
    made = Wallet()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def authority() -> Authority:
    """An authority whom the country trusts."""
    return Authority("Civil Registry")


@pytest.fixture(scope="session")
def stranger() -> Authority:
    """An authority that nobody here trusts."""
    return Authority("Elsewhere")


@pytest.fixture(scope="session")
def holder() -> dict[str, str]:
    """The holder's key pair."""
    return jwk_of(ec.generate_private_key(ec.SECP256R1()))


def issue_sd(wallet: Wallet, authority: Authority, holder: dict[str, str], **changed: Any) -> str:
    """An SD-JWT VC by @sd-jwt 0.19; `changed` replaces claims, None removes one."""
    claims = CLAIMS | {"cnf": {"jwk": public_of(holder)}} | changed
    claims = {name: value for name, value in claims.items() if value is not None}
    return wallet("issueSd", key=authority.jwk, x5c=authority.x5c, claims=claims, frame=FRAME)


def issue_mdoc(wallet: Wallet, authority: Authority, holder: dict[str, str], begins: int = NOW - 3_600) -> str:
    """An mdoc by @owf/mdoc 0.6."""
    order = {"doctype": DOCTYPE, "namespaces": ELEMENTS, "device": holder}
    times = {"from": begins, "until": begins + 86_400 * 30}
    return wallet("issueMdoc", key=authority.jwk, chain=authority.x5c, **order, **times)


@pytest.fixture(scope="session")
def sd_credential(wallet, authority, holder) -> str:
    """A credential of the trusted authority."""
    return issue_sd(wallet, authority, holder)


@pytest.fixture(scope="session")
def mdoc_credential(wallet, authority, holder) -> str:
    """A document of the trusted authority."""
    return issue_mdoc(wallet, authority, holder)
