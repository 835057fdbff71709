"""A passkey in software, and everything about its answer that must be right: no browser would send these."""

import hashlib
import json
import secrets
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.signin.party import b64

from msingi.kernel.context import Kind
from msingi.signin import acts as signin
from msingi.signin.errors import PasskeyWrong
from msingi.signin.passkeys import acts
from msingi.signin.passkeys.model import MOST

PRESENT, UNLOCKED, NEW = 1, 4, 64


class Key:
    """A key that signs as an authenticator does (Web Authentication Level 3, section 6)."""

    def __init__(self, stack: Any, owner: Any) -> None:
        self.stack, self.id, self.count = stack, secrets.token_bytes(16), 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.user = acts.mark_of(stack, owner)

    def _told(self, kind: str, challenge: bytes, origin: str = "") -> bytes:
        said = {"type": kind, "challenge": b64(challenge), "origin": origin or self.stack.settings.url}
        return json.dumps(said).encode()

    def _about(self, flags: int, rp: str = "") -> bytes:
        self.count += 1
        name = rp or acts.rp_id(self.stack)
        return hashlib.sha256(name.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def made(self, challenge: bytes, flags: int = PRESENT | UNLOCKED, **said: Any) -> str:
        """The answer to a registration."""
        point = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})
        about = self._about(flags | NEW) + bytes(16) + len(self.id).to_bytes(2) + self.id + public
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": about})
        told = self._told("webauthn.create", challenge, **said)
        return self._sent({"clientDataJSON": b64(told), "attestationObject": b64(attested)})

    def signs(self, challenge: bytes, *, flags: int = PRESENT | UNLOCKED, by: Any = None, **said: Any) -> str:
        """The answer to a sign-in, `by` another key if one is given."""
        about = self._about(flags, said.pop("rp", ""))
        told = self._told(said.pop("kind", "webauthn.get"), challenge, **said)
        signature = (by or self.key).sign(about + hashlib.sha256(told).digest(), ec.ECDSA(SHA256()))
        parts = {"clientDataJSON": told, "authenticatorData": about, "signature": signature, "userHandle": self.user}
        return self._sent({name: b64(part) for name, part in parts.items()})

    def _sent(self, response: dict[str, str]) -> str:
        return json.dumps({"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response})


@pytest.fixture
async def added(stack, asha, ctx_of, keys, sms):
    """Asha's passkey, and the context in which she adds more."""
    own = ctx_of(Kind.PERSON, str(asha.person_id), purpose="identity-proofing", basis="contract")
    key, challenge = Key(stack, asha.person_id), secrets.token_bytes(32)
    await acts.add_passkey(stack, own, asha.person_id, key.made(challenge), challenge, "soft")
    yield key, own
    for kept in await acts.list_passkeys(stack, own, asha.person_id):
        await acts.remove_passkey(stack, own, asha.person_id, kept.passkey_id)


async def proved(stack, answer: str, challenge: bytes):
    return await acts.prove(stack, signin.proving(), answer, challenge, "test")


async def test_only_what_the_key_signed_for_this_challenge_here_and_unlocked_proves_anything(stack, added, asha, juma):
    key, _ = added
    challenge = secrets.token_bytes(32)
    assert (await proved(stack, key.signs(challenge), challenge)).person_id == asha.person_id
    wrong = {
        "another key": key.signs(challenge, by=ec.generate_private_key(ec.SECP256R1())),
        "another challenge": key.signs(secrets.token_bytes(32)),
        "another site": key.signs(challenge, origin="https://evil.example"),
        "another name": key.signs(challenge, rp="evil.example"),
        "not unlocked": key.signs(challenge, flags=PRESENT),
        "nobody there": key.signs(challenge, flags=UNLOCKED),
        "a registration": key.signs(challenge, kind="webauthn.create"),
    }
    key.count = 0
    wrong["a copy, whose count is behind"] = key.signs(challenge)
    stranger = Key(stack, juma.person_id)
    wrong["a key that nobody added"] = stranger.signs(challenge)
    stranger.id = key.id
    wrong["somebody else's key"] = stranger.signs(challenge)
    for name, answer in wrong.items():
        with pytest.raises(PasskeyWrong):
            await proved(stack, answer, challenge)
            pytest.fail(name)
    key.count = 100
    assert (await proved(stack, key.signs(challenge), challenge)).factors == 2


async def test_nothing_else_is_added_and_no_more_than_ten(stack, added, asha):
    key, own = added
    challenge = secrets.token_bytes(32)
    other = Key(stack, asha.person_id)
    wrong = [
        (other.made(secrets.token_bytes(32)), challenge),
        (other.made(challenge, origin="https://evil.example"), challenge),
        (other.made(challenge, PRESENT), challenge),
        (key.made(challenge), challenge),
    ]
    for answer, asked in wrong:
        with pytest.raises(PasskeyWrong):
            await acts.add_passkey(stack, own, asha.person_id, answer, asked, "soft")
    for _ in range(MOST - 1):
        made = Key(stack, asha.person_id).made(challenge)
        await acts.add_passkey(stack, own, asha.person_id, made, challenge, "soft")
    with pytest.raises(PasskeyWrong):
        made = Key(stack, asha.person_id).made(challenge)
        await acts.add_passkey(stack, own, asha.person_id, made, challenge, "soft")
