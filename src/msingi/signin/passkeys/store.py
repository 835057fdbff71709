"""The only file that runs SQL on passkeys."""

from datetime import datetime

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals
from msingi.signin.passkeys.model import MOST, Passkey

Q = sql.load(__name__)
LABEL = "signin.passkey"


async def put(tx: Tx, seals: Seals, person_id: PersonId, new: Passkey) -> bool:
    """Keep a new passkey, its name sealed for the person; False if it is known already, or there are too many."""
    name = await seals.seal(tx, person_id, new.name.encode(), LABEL)
    found = await tx.value(
        Q.put_passkey, person_id, new.passkey_id, new.public_key, new.sign_count, name, new.made_at, MOST
    )
    return found is not None


async def _opened(tx: Tx, seals: Seals, person_id: PersonId, row: Row) -> Passkey:
    name = await seals.unseal(tx, person_id, bytes(row["name"]), LABEL)
    return msgspec.convert(dict(row) | {"name": name.decode()}, Passkey)


async def passkeys(tx: Tx, seals: Seals, person_id: PersonId) -> list[Passkey]:
    """The passkeys of somebody, newest first."""
    return [await _opened(tx, seals, person_id, row) for row in await tx.rows(Q.passkeys, person_id)]


async def hold(tx: Tx, seals: Seals, person_id: PersonId, passkey_id: bytes) -> Passkey | None:
    """One passkey of somebody, held until this transaction ends."""
    row = await tx.row(Q.held_passkey, person_id, passkey_id)
    return None if row is None else await _opened(tx, seals, person_id, row)


async def used(tx: Tx, person_id: PersonId, passkey_id: bytes, sign_count: int, now: datetime) -> None:
    """A passkey was used now."""
    await tx.do(Q.used_passkey, person_id, passkey_id, sign_count, now)


async def remove(tx: Tx, person_id: PersonId, passkey_id: bytes) -> bool:
    """Forget a passkey; False if there was none."""
    return await tx.value(Q.remove_passkey, person_id, passkey_id) is not None


async def remove_all(tx: Tx, person_id: PersonId) -> int:
    """Forget all passkeys of somebody; how many there were."""
    return await tx.do(Q.remove_all_passkeys, person_id)
