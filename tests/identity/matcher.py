"""A reference matcher FOR TESTS ONLY: it finds records alike when their bytes are equal, which no real matcher does.

It speaks MOSIP's ABIS API 0.9 over HTTP, from the specification: it fetches and decrypts what an insert points to,
answers at once or later (`later`), and says in every answer what it is. It says nothing about anybody's accuracy.
"""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from lxml import etree

SPACE = "{http://standards.iso.org/iso-iec/19785/-3/ed-2/}"
TYPES = {"Finger": "FIR", "Iris": "IIR", "Face": "FID"}


class ReferenceMatcher:
    """An ABIS in memory; `stack_client` is how it reaches the stack's doors."""

    def __init__(self, key: str) -> None:
        self.key, self.later, self.down = key, False, False
        self.gallery: dict[str, set[tuple[str, str]]] = {}
        self.seen: list[dict] = []
        self.waiting: list[dict] = []
        self.stack_client: httpx.AsyncClient | None = None
        self._private = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reference matcher, tests only")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, self._private.public_key(), 7, now, now + timedelta(days=1))
        self.certificate = made.sign(self._private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def transport(self) -> httpx.MockTransport:
        """What an HTTP client of the stack speaks to instead of a network."""
        return httpx.MockTransport(self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("the matcher is down")
        assert request.headers["authorization"] == f"Bearer {self.key}"
        asked = json.loads(request.content)
        self.seen.append(asked)
        said = {"id": asked["id"], "requestId": asked["requestId"], "responsetime": asked["requesttime"]}
        said |= await getattr(self, asked["id"].rpartition(".")[2])(asked)
        said["analytics"] = {"matcher": "reference: equal bytes, for tests only"}
        if self.later and asked["id"] != "mosip.abis.ping":
            self.waiting.append(said)
            return httpx.Response(202)
        return httpx.Response(200, json=said)

    async def ping(self, asked):
        """Alive."""
        return {"returnValue": "1"}

    async def referenceCount(self, asked):
        """How many references."""
        return {"returnValue": "1", "count": str(len(self.gallery))}

    async def insert(self, asked):
        """Fetch, decrypt, keep digests."""
        if asked["referenceId"] in self.gallery:
            return {"returnValue": "2", "failureReason": "10"}
        path = asked["referenceURL"].split("/", 3)[3]
        reply = await self.stack_client.get("/" + path, headers={"Authorization": f"Bearer {self.key}"})
        if reply.status_code != 200:
            return {"returnValue": "2", "failureReason": "7"}
        self.gallery[asked["referenceId"]] = self._read(self.opened(reply.content))
        return {"returnValue": "1"}

    def opened(self, content: bytes) -> bytes:
        """The records out of data share encryption VER_R2."""
        raw = base64.urlsafe_b64decode(content)
        first, _, second = raw.partition(b"#KEY_SPLITTER#")
        assert first[:6] == b"VER_R2" and len(first) == 6 + 32 + 256
        secret = self._private.decrypt(first[38:], padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        return AESGCM(secret).decrypt(second[:12], second[32:], second[:32])

    @staticmethod
    def _read(raw: bytes) -> set[tuple[str, str]]:
        found = set()
        for record in etree.fromstring(raw).findall(f"{SPACE}BIR"):
            data = base64.b64decode(record.findtext(f"{SPACE}BDB"))
            found.add((TYPES[record.findtext(f"{SPACE}BDBInfo/{SPACE}Type")], hashlib.sha256(data).hexdigest()))
        return found

    async def identify(self, asked):
        """Everybody with an equal record."""
        mine = self.gallery.get(asked["referenceId"])
        if mine is None:
            return {"returnValue": "2", "failureReason": "12"}
        found = [
            {"referenceId": other, "modalities": [{"biometricType": t} for t in sorted({t for t, _ in mine & theirs})]}
            for other, theirs in self.gallery.items()
            if other != asked["referenceId"] and mine & theirs
        ]
        return {"returnValue": "1", "candidateList": {"count": str(len(found)), "candidates": found}}

    async def delete(self, asked):
        """Forget a reference."""
        known = self.gallery.pop(asked["referenceId"], None)
        return {"returnValue": "1"} if known is not None else {"returnValue": "2", "failureReason": "12"}


def records(*parts: tuple[str, bytes]) -> bytes:
    """CBEFF XML with these (type, data) records."""
    bodies = "".join(
        f"<BIR><BDBInfo><Type>{kind}</Type></BDBInfo><BDB>{base64.b64encode(data).decode()}</BDB></BIR>"
        for kind, data in parts
    )
    return f'<BIR xmlns="{SPACE[1:-1]}">{bodies}</BIR>'.encode()
