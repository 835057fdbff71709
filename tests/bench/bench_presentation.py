"""How many presentations are verified: `python tests/bench/bench_presentation.py [--answers N]`.

Pure: one SD-JWT VC with key binding and one mdoc, each verified step by step. Whole: a wallet's encrypted answer
(direct_post.jwt) from the form to the committed transaction with its leaf, on the embedded PostgreSQL, durable. The
yardstick is the raw P-256 work that one answer cannot do without, in the same process and round.
"""

import argparse
import asyncio
import hashlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from joserfc import jwe
from joserfc.jwk import ECKey
from tests.credentials import forms_kit as kit

from msingi import app, countries
from msingi.credentials.forms import jose
from msingi.credentials.presentation import acts, envelope, mdoc, sdjwt
from msingi.credentials.presentation.model import Asked, Binding, Device, Order, Right
from msingi.credentials.presentation.trust import Anchor, Trusted
from msingi.kernel import clock
from msingi.kernel.context import ANYBODY, Actor, Kind, context
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

BANK = Actor(Kind.CLIENT, "COM/benki/accounts", "benki", frozenset(), 2, "Bank")
AT_ONCE = 16


def presented(binding: Binding, credential: str) -> str:
    """The credential with three disclosures and a key binding."""
    parts = credential.split("~")
    shown = "~".join([parts[0], *parts[1:4]]) + "~"
    covered = jose.b64(hashlib.sha256(shown.encode()).digest())
    claims = {"aud": binding.audience, "nonce": binding.nonce, "iat": binding.asked_at, "sd_hash": covered}
    head = jose.b64(msgspec.json.encode({"alg": "ES256", "typ": "kb+jwt"}))
    return shown + jose.compact(head, msgspec.json.encode(claims), kit.HOLDER)


def device_response(binding: Binding, credential: bytes) -> str:
    """The mdoc in a DeviceResponse, signed by the device."""
    kept: dict[int, Any] = {t: (lambda v, _, t=t: cbor2.CBORTag(t, v)) for t in (0, 24, 1004)}
    signed = cbor2.loads(credential, semantic_decoders=kept)
    spaces = cbor2.CBORTag(24, cbor2.dumps({}))
    inner = cbor2.dumps(["DeviceAuthentication", cbor2.loads(mdoc.transcript(binding)), kit.draft().doctype, spaces])
    protected = cbor2.dumps({1: -7})
    covered = cbor2.dumps(["Signature1", protected, b"", cbor2.dumps(cbor2.CBORTag(24, inner))])
    auth = {"deviceSignature": [protected, {}, None, kit.HOLDER.sign(covered)]}
    document = {"docType": kit.draft().doctype, "issuerSigned": signed}
    document["deviceSigned"] = {"nameSpaces": spaces, "deviceAuth": auth}
    return jose.b64(cbor2.dumps({"version": "1.0", "documents": [document], "status": 0}))


def rate(work: Callable[[], Any], seconds: float = 0.3) -> float:
    """Per second of CPU time."""
    done, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        work()
        done += 1
    return done / (time.process_time() - began)


def pure() -> dict[str, float]:
    """Medians per second of CPU time, the yardstick first."""
    key = ec.generate_private_key(ec.SECP256R1())
    signature, public = key.sign(b"x" * 600, ec.ECDSA(SHA256())), key.public_key()
    now = int(clock.now().timestamp())
    binding = Binding(client_id="x509_hash:a", nonce="n", response_uri="u", thumbprint=bytes(32), asked_at=now)
    sd, doc = presented(binding, kit.sd_jwt()), device_response(binding, kit.mdoc_of())
    trusted = Trusted([Anchor("Utopia", load_der_x509_certificate(kit.ROOT))])
    works: dict[str, Callable[[], Any]] = {
        "raw ES256 verify": lambda: public.verify(signature, b"x" * 600, ec.ECDSA(SHA256())),
        "SD-JWT VC with key binding verified": lambda: sdjwt.verify(sd, binding, trusted, now),
        "mdoc DeviceResponse verified": lambda: mdoc.verify(doc, binding, trusted, now),
    }
    found = {name: [rate(work) for _ in range(3)] for name, work in works.items()}
    return {name: statistics.median(rates) for name, rates in found.items()}


async def right(stack: Stack, actor: Actor, purpose: str, basis: str) -> Right:
    """Everything."""
    return Right("Banking Act", ("*",))


async def form_of(stack: Stack, credential: str) -> tuple[str, dict[str, str]]:
    """One open request, and a wallet's encrypted answer to it."""
    query = {"credentials": [{"id": "a", "format": "dc+sd-jwt", "meta": {"vct_values": [kit.draft().vct]}}]}
    order = Order(purpose="identity-proofing", basis="contract", dcql_query=query)
    made = await acts.ask_presentation(stack, context(BANK, "identity-proofing", "contract"), order)
    asked: Asked = (await acts.look(stack, made.request_id)).asked
    text = presented(envelope.binding_of(asked, Device.SAME), credential)
    key = ECKey.import_key({k: v for k, v in asked.encryption_jwk.items() if k in ("kty", "crv", "x", "y")})
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "kid": asked.encryption_jwk["kid"]}
    registry = jwe.JWERegistry(algorithms=["ECDH-ES", "A128GCM"], strict_check_header=False)
    sealed = jwe.encrypt_compact(header, msgspec.json.encode({"vp_token": {"a": [text]}}), key, registry=registry)
    return made.request_id, {"response": sealed}


async def whole(home: Path, count: int) -> tuple[float, float]:
    """Answers per second of this process's CPU time, and of the clock."""
    server = EmbeddedServer(home / "pg")
    await migrate(server.url)
    pem = load_der_x509_certificate(kit.ROOT).public_bytes(Encoding.PEM)
    (home / "trusted-issuers.toml").write_text(f"[[issuer]]\nname = 'Utopia'\ncertificate = '''{pem.decode()}'''\n")
    stack = await Stack.open(Settings(home=home, sandbox=True), as_app(server.url), countries.load("taifa"))
    app.load_policies()
    app.furnish(stack)
    await app.start_rooms(stack)
    acts.register_rights(stack, right)
    credential, anybody = kit.sd_jwt(), context(ANYBODY, "public-service", "public-task")
    ready = [await form_of(stack, credential) for _ in range(count)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(request_id: str, form: dict[str, str]) -> None:
        async with gate:
            await acts.receive_presentation(stack, anybody, request_id, Device.SAME, form)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(*each) for each in ready))
    took, used = time.perf_counter() - began, time.process_time() - cpu
    await stack.close()
    server.stop()
    return count / used, count / took


def main() -> None:
    """Measure and print."""
    logging.disable(logging.WARNING)
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--answers", type=int, default=600)
    chosen = options.parse_args()
    found = pure()
    yardstick = found["raw ES256 verify"]
    for name, per_s in found.items():
        print(f"{name:48} {per_s:10,.0f} /s per core   {per_s / yardstick:.0%} of the raw operation")
    with tempfile.TemporaryDirectory() as folder:
        by_cpu, by_clock = asyncio.run(whole(Path(folder), chosen.answers))
    print(f"{'encrypted answers, committed with their leaf':48} {by_cpu:10,.0f} /s per core of this process")
    print(f"{'  by the clock, database on the same machine':48} {by_clock:10,.0f} /s")


if __name__ == "__main__":
    main()
