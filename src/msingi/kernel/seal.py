"""Envelope encryption under each person's own key, so that erasing the key erases the content.

A person's key (32 bytes) is wrapped by the keystore; content is AES-256-GCM with a random 96-bit nonce and the
label as associated data (NIST SP 800-38D), so that a blob cannot be moved to another place.
"""

import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased, Outage
from msingi.kernel.ids import PersonId
from msingi.kernel.inline import listed
from msingi.kernel.keys import Keystore

Q = sql.load(__name__)
_CACHED_KEYS = 20_000
NONCE_BYTES = 12
_FIRST_WORD = re.compile(r"[a-z]*")


class Seals:
    """Seals and unseals with the keys of people; unwrapped keys live in memory only for a while."""

    def __init__(self, keystore: Keystore) -> None:
        self._keystore = keystore
        self._known: OrderedDict[PersonId, tuple[bytes, AESGCM]] = OrderedDict()
        self._rooms: dict[str, AESGCM] = {}

    async def _person(self, tx: Tx, person_id: PersonId) -> AESGCM:
        key = tx.person_keys.get(person_id)
        if key is not None:
            return key
        # A remembered key is used at once, and looked up when the transaction ends: if its row is gone by then, the
        # transaction fails as erased, and nothing that was opened or sealed with it leaves this process (law 6).
        known = self._known.get(person_id) if tx.borrowed_keys is not None else None
        if known is None:
            await self.fetch(tx, (person_id,))
            if person_id not in tx.person_keys:
                raise Erased()
            return tx.person_keys[person_id]
        assert tx.borrowed_keys is not None
        tx.borrowed_keys[person_id], tx.person_keys[person_id] = known
        return known[1]

    async def fetch(self, tx: Tx, person_ids: Iterable[PersonId]) -> None:
        """Get the keys of several people in one round trip, for all that is sealed and opened after it."""
        wanted = [p for p in person_ids if p not in tx.person_keys]
        if not wanted:
            return
        for row in await tx.rows(Q.person_keys, listed(wanted)):
            self._remember(tx, PersonId(row["person_id"]), bytes(row["wrapped"]))

    async def keys_of(self, tx: Tx, people: Sequence[PersonId]) -> Mapping[PersonId, AESGCM]:
        """The keys of several people, to seal for all of them; those that are not remembered come in one round trip.
        Raises Erased if one of them has none."""
        strangers: list[PersonId] = []
        for person_id in people:
            if person_id not in tx.person_keys:
                known = self._known.get(person_id) if tx.borrowed_keys is not None else None
                if known is None or tx.borrowed_keys is None:
                    strangers.append(person_id)
                else:
                    tx.borrowed_keys[person_id], tx.person_keys[person_id] = known
        if strangers:
            await self.fetch(tx, strangers)
            if not all(person_id in tx.person_keys for person_id in strangers):
                raise Erased()
        return tx.person_keys

    def take(self, tx: Tx, wrapped: Mapping[PersonId, bytes]) -> None:
        """Use keys of people that a statement of this transaction brought along, so that nobody asks for them again."""
        for person_id, key in wrapped.items():
            if person_id not in tx.person_keys:
                self._remember(tx, person_id, key)

    async def without_key(self, tx: Tx, people: Iterable[PersonId]) -> set[PersonId]:
        """Those of `people` who have no key. Remembered keys are looked up when the transaction ends, as always."""
        strangers = [p for p in set(people) if p not in tx.person_keys and p not in self._known]
        await self.fetch(tx, strangers)
        return {p for p in strangers if p not in tx.person_keys}

    def remembers(self, person_id: PersonId) -> bool:
        """Whether a person's key is remembered, so that to seal needs no look-up before the transaction ends."""
        return person_id in self._known

    def _remember(self, tx: Tx, person_id: PersonId, wrapped: bytes) -> None:
        known = self._known.get(person_id)
        if known is None or known[0] != wrapped:
            known = (wrapped, AESGCM(self._keystore.unwrap(wrapped, person_id.bytes)))
            self._known[person_id] = known
            if len(self._known) > _CACHED_KEYS:
                self._known.popitem(last=False)
        tx.person_keys[person_id] = known[1]

    def forget(self, person_ids: Iterable[PersonId]) -> None:
        """Forget what is remembered of these people's keys."""
        for person_id in person_ids:
            self._known.pop(person_id, None)

    async def create_key(self, tx: Tx, person_id: PersonId) -> None:
        """Give a new person a key; a person who has one keeps it."""
        await self.create_keys(tx, (person_id,))

    async def create_keys(self, tx: Tx, person_ids: Iterable[PersonId], *, last: bool = False) -> None:
        """Give new people a key each, in one round trip; those who have one keep it.

        With `last`, nobody of them can have one, and nothing before the commit needs them in the database: they travel
        with it, and it fails if somebody had one after all.
        """
        secrets = {p: AESGCM.generate_key(256) for p in person_ids}
        wrapped = {p: self._keystore.wrap(secret, p.bytes) for p, secret in secrets.items()}
        if last:
            tx.later.append((Q.new_person_keys, (list(wrapped), list(wrapped.values()))))
            tx.person_keys.update((p, AESGCM(secret)) for p, secret in secrets.items())
            return
        for row in await tx.rows(Q.make_person_keys, list(wrapped), list(wrapped.values())):
            tx.person_keys[row["person_id"]] = AESGCM(secrets[row["person_id"]])

    async def erase(self, tx: Tx, person_id: PersonId) -> None:
        """Destroy a person's key: what was sealed with it can never be read again."""
        tx.person_keys.pop(person_id, None)
        if tx.borrowed_keys is not None:
            tx.borrowed_keys.pop(person_id, None)
        self.forget((person_id,))
        tx.after_commit.append(lambda: self.forget((person_id,)))  # another act may have asked for it meanwhile
        await tx.do(Q.erase_person_key, person_id)

    async def seal(self, tx: Tx, person_id: PersonId, plaintext: bytes, label: str) -> bytes:
        """`plaintext` sealed for the person: nonce (12 bytes), ciphertext, tag (16). Raises Erased without a key."""
        return _encrypt(await self._person(tx, person_id), plaintext, label)

    async def unseal(self, tx: Tx, person_id: PersonId, blob: bytes, label: str) -> bytes:
        """What was sealed. Raises Erased if the key is gone, ValueError if the blob or label was changed, and Outage
        once where the person's key is remembered from before an erasure that another program carried out."""
        key = await self._person(tx, person_id)
        try:
            return _decrypt(key, blob, label)
        except ValueError:
            if person_id not in (tx.borrowed_keys or ()):
                raise
            self.forget((person_id,))  # the next attempt looks the key up, and if it fails too, the blob was changed
            raise Outage("a person's key is looked up anew", 1) from None

    def seal_with_room_key(self, label: str, plaintext: bytes) -> bytes:
        """`plaintext` sealed for the stack itself, for secrets that belong to no person.

        A label begins with the name of its room, because each room has a key of its own.
        """
        return _encrypt(self._room(label), plaintext, label)

    def seal_all(self, label: str, contents: Sequence[tuple[AESGCM | None, bytes]]) -> list[bytes]:
        """Several contents sealed, each with the key of a person (see `keys_of`) or, for None, with the room's key."""
        said, nonces, room = label.encode(), os.urandom(NONCE_BYTES * len(contents)), self._room(label)
        places = range(0, len(nonces), NONCE_BYTES)
        return [
            (nonce := nonces[at : at + NONCE_BYTES]) + (room if key is None else key).encrypt(nonce, plain, said)
            for at, (key, plain) in zip(places, contents, strict=True)
        ]

    def unseal_with_room_key(self, label: str, blob: bytes) -> bytes:
        """What `seal_with_room_key` sealed. Raises ValueError if it was changed."""
        return _decrypt(self._room(label), blob, label)

    def _room(self, label: str) -> AESGCM:
        room = _FIRST_WORD.match(label)[0]  # pyright: ignore[reportOptionalSubscript]  # it matches anything
        if room not in self._rooms:
            self._rooms[room] = AESGCM(self._keystore.mac("room", room))
        return self._rooms[room]


def _encrypt(key: AESGCM, plaintext: bytes, label: str) -> bytes:
    nonce = os.urandom(12)
    return nonce + key.encrypt(nonce, plaintext, label.encode())


def _decrypt(key: AESGCM, blob: bytes, label: str) -> bytes:
    try:
        return key.decrypt(blob[:12], blob[12:], label.encode())
    except InvalidTag:
        raise ValueError("the sealed content was changed, or belongs to another place") from None
