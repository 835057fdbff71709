"""Envelope encryption under each person's own key, so that erasing the key erases the content.

A person's key (32 bytes) is wrapped by the keystore; content is AES-256-GCM with a random 96-bit nonce and the
label as associated data (NIST SP 800-38D), so that a blob cannot be moved to another place.
"""

import os
from collections import OrderedDict
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased
from msingi.kernel.ids import PersonId
from msingi.kernel.keys import Keystore

Q = sql.load(__name__)
_CACHED_KEYS = 4_096


class Seals:
    """Seals and unseals with the keys of people; unwrapped keys live in memory only for a while."""

    def __init__(self, keystore: Keystore) -> None:
        self._keystore = keystore
        self._fresh: OrderedDict[bytes, AESGCM] = OrderedDict()

    async def _person(self, tx: Tx, person_id: PersonId) -> AESGCM:
        if person_id in tx.person_keys:
            return tx.person_keys[person_id]
        wrapped = await tx.value(Q.person_key, person_id)
        if wrapped is None:
            raise Erased()
        return self._unwrapped(tx, person_id, wrapped)

    async def without_key(self, tx: Tx, people: Iterable[PersonId]) -> set[PersonId]:
        """Those of `people` who have no key; the keys of all others are at hand for the rest of the transaction."""
        wanted = [person_id for person_id in set(people) if person_id not in tx.person_keys]
        if not wanted:
            return set()
        found = {row["person_id"]: row["wrapped"] for row in await tx.rows(Q.person_keys, wanted)}
        for person_id, wrapped in found.items():
            self._unwrapped(tx, person_id, wrapped)
        return set(wanted) - found.keys()

    def _unwrapped(self, tx: Tx, person_id: PersonId, wrapped: bytes) -> AESGCM:
        # The row is read in each transaction, so an erased key is gone at once; only the unwrapping is remembered.
        known = self._fresh.get(wrapped)
        if known is None:
            known = self._fresh[wrapped] = AESGCM(self._keystore.unwrap(wrapped, person_id.bytes))
            if len(self._fresh) > _CACHED_KEYS:
                self._fresh.popitem(last=False)
        tx.person_keys[person_id] = known
        return known

    async def create_key(self, tx: Tx, person_id: PersonId) -> None:
        """Give a new person a key; a person who has one keeps it."""
        wrapped = self._keystore.wrap(AESGCM.generate_key(256), person_id.bytes)
        await tx.do(Q.make_person_key, person_id, wrapped)

    async def erase(self, tx: Tx, person_id: PersonId) -> None:
        """Destroy a person's key: what was sealed with it can never be read again."""
        tx.person_keys.pop(person_id, None)
        await tx.do(Q.erase_person_key, person_id)

    async def seal(self, tx: Tx, person_id: PersonId, plaintext: bytes, label: str) -> bytes:
        """`plaintext` sealed for the person: nonce (12 bytes), ciphertext, tag (16). Raises Erased without a key."""
        return _encrypt(await self._person(tx, person_id), plaintext, label)

    async def unseal(self, tx: Tx, person_id: PersonId, blob: bytes, label: str) -> bytes:
        """What was sealed. Raises Erased if the key is gone, ValueError if the blob or label was changed."""
        return _decrypt(await self._person(tx, person_id), blob, label)

    def seal_with_room_key(self, label: str, plaintext: bytes) -> bytes:
        """`plaintext` sealed for the stack itself, for secrets that belong to no person."""
        return _encrypt(AESGCM(self._keystore.mac("room")), plaintext, label)

    def unseal_with_room_key(self, label: str, blob: bytes) -> bytes:
        """What `seal_with_room_key` sealed. Raises ValueError if it was changed."""
        return _decrypt(AESGCM(self._keystore.mac("room")), blob, label)


def _encrypt(key: AESGCM, plaintext: bytes, label: str) -> bytes:
    nonce = os.urandom(12)
    return nonce + key.encrypt(nonce, plaintext, label.encode())


def _decrypt(key: AESGCM, blob: bytes, label: str) -> bytes:
    try:
        return key.decrypt(blob[:12], blob[12:], label.encode())
    except InvalidTag:
        raise ValueError("the sealed content was changed, or belongs to another place") from None
