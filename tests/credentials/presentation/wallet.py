"""What the tests of presentation share: issuers with certificates, and a wallet made of other people's libraries."""

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

JS = Path(__file__).parents[2] / "js"
NODE = shutil.which("node")
HAS_WALLET = NODE is not None and (JS / "node_modules" / "@owf" / "mdoc").exists()
NOW = 1_796_000_000
VCT = "https://id.example/kinds/id-card"
DOCTYPE, SPACE = "eu.europa.ec.eudi.pid.1", "eu.europa.ec.eudi.pid.1"


def b64u(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk_of(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """A P-256 key pair as JWK."""
    pair = key.private_numbers()
    public = pair.public_numbers
    parts = {"x": public.x, "y": public.y, "d": pair.private_value}
    return {"kty": "EC", "crv": "P-256"} | {name: b64u(n.to_bytes(32)) for name, n in parts.items()}


def public_of(jwk: dict[str, str]) -> dict[str, str]:
    """The public half of a JWK."""
    return {name: value for name, value in jwk.items() if name != "d"}


def raw_signature(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    """r and s, 32 bytes each."""
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def certificate(
    subject: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
    begins: int = NOW - 86_400,
    lives_days: int = 365,
) -> x509.Certificate:
    """A certificate as an issuing authority of a country makes it."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    start = datetime.fromtimestamp(begins, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=lives_days))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )
    if authority:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        made = made.add_extension(x509.BasicConstraints(True, 0), True)
        made = made.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), True)
    return made.sign(signer, SHA256())


class Authority:
    """A certificate authority and one issuer that it certified."""

    def __init__(self, name: str, begins: int = NOW - 86_400) -> None:
        self.name, self.ca_key = name, ec.generate_private_key(ec.SECP256R1())
        self.ca = certificate(name, self.ca_key.public_key(), name, self.ca_key, authority=True, begins=begins)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.leaf = certificate(f"{name} issuer", self.key.public_key(), name, self.ca_key, begins=begins)

    @property
    def x5c(self) -> list[str]:
        """The chain without its anchor, as JOSE carries it."""
        return [base64.b64encode(self.leaf.public_bytes(Encoding.DER)).decode()]

    @property
    def jwk(self) -> dict[str, str]:
        """The issuer's key pair."""
        return jwk_of(self.key)

    @property
    def pem(self) -> str:
        """The anchor as PEM."""
        return self.ca.public_bytes(Encoding.PEM).decode()


class Wallet:
    """The Node process behind tests/js/wallet.mjs; each call is one line to it and one back."""

    def __init__(self) -> None:
        assert NODE is not None
        pipe = subprocess.PIPE
        self.node = subprocess.Popen([NODE, "wallet.mjs"], cwd=JS, stdin=pipe, stdout=pipe, text=True)

    def __call__(self, verb: str, **order: Any) -> Any:
        """Do `verb`. Raises AssertionError with what the library said."""
        assert self.node.stdin is not None and self.node.stdout is not None
        self.node.stdin.write(json.dumps({"do": verb, **order}) + "\n")
        self.node.stdin.flush()
        told = json.loads(self.node.stdout.readline() or '{"wrong": "the wallet ended"}')
        assert "wrong" not in told, told["wrong"] + "\n" + told.get("at", "")
        return told["ok"]

    def stop(self) -> None:
        """End the process."""
        assert self.node.stdin is not None
        self.node.stdin.close()
        self.node.wait(10)
