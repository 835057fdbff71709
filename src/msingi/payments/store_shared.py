"""SQL of accounts that several people hold: opening one, and naming everybody who holds it."""

from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.inline import listed
from msingi.payments.model import AccountKind
from msingi.payments.rules import account_id, shard_of

Q = sql.load(__name__)


async def open_shared_account(tx: Tx, owner: int, kind: AccountKind, currency: str, tier: int, shard: int) -> int:
    """Open one account whose holder is no single person; its id. Who holds it together is named apart."""
    account = account_id(await tx.value(Q.next_index, shard, 1), shard)
    await tx.do(Q.open_accounts, shard, listed([account]), listed([owner]), 0, tier, currency, kind)
    return account


async def owners_of(tx: Tx, account: int) -> list[PersonId]:
    """Everybody who holds an account, of those whom the permit reaches; none for an institution's."""
    rows = await tx.rows(Q.owners_of, shard_of(account), account)
    return [PersonId(UUID(bytes=row["person_id"].bytes)) for row in rows]
