"""The roll: participants, currencies and accounts in memory, read again a moment after they changed.

It changes a few times a day and is needed for every message.
"""

import asyncio
import hmac
import time
from hashlib import sha256

from msgspec import Struct

from msingi.kernel.stack import Stack
from msingi.payments.switch import errors, jws, rules, store
from msingi.payments.switch.model import Fsp, FspAccount, Pair, Proof, SettledCurrency, Settlement

HUB = "hub"
FRESH_S = 2.0
_ROLL, _READING, _CHANGES = "payments.switch.roll", "payments.switch.roll-reading", "payments.switch.roll-changes"


class Roll(Struct):
    """Everybody who takes part, as read at `read_at` (monotonic seconds)."""

    fsps: dict[str, Fsp]
    accounts: dict[tuple[str, str], FspAccount]
    currencies: list[SettledCurrency]
    tokens: dict[str, bytes]
    keys: dict[str, bytes]
    read_at: float
    pairs: frozenset[Pair] = frozenset()

    def active(self, name: str, field: str) -> Fsp:
        """A participant that takes part now. Raises BadSyntax, UnknownFsp naming the field."""
        found = self.fsps.get(rules.fsp_id(name, field))
        if found is None or not found.active:
            raise errors.UnknownFsp(party=field)
        return found

    def account(self, fsp: str, currency: str, field: str) -> FspAccount:
        """What a participant holds in a currency. Raises BadCurrency if it does not settle in it now."""
        found = self.accounts.get((fsp, currency))
        if found is None or not found.active:
            raise errors.BadCurrency(party=field, currency=currency)
        return found

    def money(self, fsp: str, currency: SettledCurrency, field: str) -> int:
        """The ledger's account that a participant pays and is paid with: its position, or its cover (gross)."""
        held = self.account(fsp, currency.currency, field)
        return held.position if currency.settlement is Settlement.NET else held.cover

    def providers(self, source: str = "", target: str = "") -> list[str]:
        """Who converts now: from `source` into `target`, or at all; only active participants that settle in both."""
        asked = [
            pair
            for pair in self.pairs
            if (not source or pair.source == source) and (not target or pair.target == target)
        ]
        active = {name for name, fsp in self.fsps.items() if fsp.active}
        held = {key for key, account in self.accounts.items() if account.active and key[0] in active}
        return sorted({p.fsp for p in asked if {(p.fsp, p.source), (p.fsp, p.target)} <= held})

    def knows_token(self, fsp: str, token: str) -> bool:
        """Whether a token is this participant's."""
        kept = self.tokens.get(fsp, b"")
        return bool(kept) and hmac.compare_digest(kept, sha256(token.encode()).digest())

    def trusts_network(self, fsp: Fsp, sandbox: bool) -> bool:
        """Whether a message counts without proof: only in a sandbox, and only where the operator said so."""
        return sandbox and fsp.proof is Proof.NETWORK

    def signed(
        self, method: str, path: str, source: str, destination: str, date: str, body: bytes, by: str = ""
    ) -> dict[str, str]:
        """The signature headers of a message of our own, or (`by` the hub) of one that it translated; none for a
        participant whose key is elsewhere."""
        pem = self.keys.get(by or source)
        return jws.sign(pem, method, path, source, destination, date, body) if pem else {}


async def of(stack: Stack) -> Roll:
    """The roll, at most two seconds old."""
    found = stack.local.get(_ROLL)
    if isinstance(found, Roll) and time.monotonic() - found.read_at < FRESH_S:
        return found
    reading = stack.local.get(_READING)
    if not isinstance(reading, asyncio.Lock):
        reading = stack.local[_READING] = asyncio.Lock()
    async with reading:  # whoever comes while one reads waits for what that one reads
        found = stack.local.get(_ROLL)
        if isinstance(found, Roll) and time.monotonic() - found.read_at < FRESH_S:
            return found
        return await _read(stack)


async def _read(stack: Stack) -> Roll:
    read_at, changes = time.monotonic(), stack.local.get(_CHANGES)
    async with stack.db.reading("payments") as tx:
        fsps = {f.fsp: f for f in await store.fsps(tx)}
        accounts = {(a.fsp, a.currency): a for a in await store.accounts(tx)}
        currencies = await store.currencies(tx)
        secrets = await store.secrets(tx)
        pairs = frozenset(await store.pairs(tx))
    unseal = stack.seal.unseal_with_room_key
    keys = {n: unseal(f"payments.switch-key/{n}", bytes(s)) for n, (_, s) in secrets.items() if s is not None}
    made = Roll(fsps, accounts, currencies, {n: t for n, (t, _) in secrets.items()}, keys, read_at, pairs)
    if stack.local.get(_CHANGES) is changes:  # otherwise it may be older than a change made here meanwhile
        stack.local[_ROLL] = made
    return made


def forget(stack: Stack) -> None:
    """Read the roll again at the next message: it was changed."""
    stack.local.pop(_ROLL, None)
    stack.local[_CHANGES] = object()
