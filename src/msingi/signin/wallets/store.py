"""The only file that runs SQL on wallet keys."""

from datetime import datetime
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.signin.wallets.model import WalletKey

Q = sql.load(__name__)


async def put(tx: Tx, person_id: PersonId, key: WalletKey) -> None:
    """Bind a key, in place of the one that the same software bound before."""
    await tx.do(
        Q.put_wallet_key,
        person_id,
        key.client_id,
        key.name,
        key.public_key,
        key.by_pin,
        key.made_at,
        key.expires_at,
    )


async def keys(tx: Tx, person_id: PersonId, now: datetime) -> list[WalletKey]:
    """Somebody's keys that still work, newest first."""
    return [msgspec.convert(dict(row), WalletKey) for row in await tx.rows(Q.wallet_keys, person_id, now)]


async def used(tx: Tx, person_id: PersonId, client_id: str, now: datetime) -> None:
    """A key was used now."""
    await tx.do(Q.used_wallet_key, person_id, client_id, now)


async def remove(tx: Tx, person_id: PersonId, client_id: str) -> bool:
    """Forget a key; False if there was none."""
    return await tx.value(Q.remove_wallet_key, person_id, client_id) is not None


async def remove_all(tx: Tx, person_id: PersonId) -> int:
    """Forget all keys of somebody; how many there were."""
    return await tx.do(Q.remove_all_wallet_keys, person_id)


async def newest_code(tx: Tx, person_id: PersonId, bound_to: bytes) -> UUID | None:
    """The code that was sent last to somebody at the wish of one software."""
    return await tx.value(Q.newest_code, person_id, bound_to)


async def is_taken(tx: Tx, seen: bytes) -> bool:
    """Whether this was claimed before."""
    return await tx.value(Q.is_taken, seen) is not None
