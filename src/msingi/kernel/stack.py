"""The running stack: what every act receives as its first argument."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msingi.kernel import keys as keys_of
from msingi.kernel.db import Database
from msingi.kernel.outbox import Outbox
from msingi.kernel.pseudonym import Pseudonyms
from msingi.kernel.seal import Seals
from msingi.kernel.settings import Settings

if TYPE_CHECKING:
    from msingi.countries import Profile

Loop = Callable[["Stack"], Awaitable[None]]


def keystore_of(settings: Settings) -> keys_of.Keystore:
    """The keystore that the settings name: software, or signing keys in a PKCS#11 token. Raises ValueError."""
    hsm = None
    if settings.pkcs11_module:
        from msingi.kernel.hsm import HsmKeys

        hsm = HsmKeys(settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_pin)
    return keys_of.Keystore.open(Path(settings.home), settings.key_passphrase, hsm)


class Stack:
    """Settings, database, keys, seals, pseudonyms, outbox and the country profile of one running stack.

    `local` lets a room keep an in-memory object for the life of the stack, under its own name.
    """

    def __init__(self, settings: Settings, db: Database, keystore: keys_of.Keystore, profile: "Profile") -> None:
        self.settings = settings
        self.db = db
        self.keys = keystore
        self.seal = Seals(keystore)
        self.pseudonym = Pseudonyms(keystore.mac("pseudonym"))
        self.outbox = Outbox(db)
        self.profile = profile
        self.local: dict[str, object] = {}
        self.loops: list[Loop] = []
        self._tasks: list[asyncio.Task[None]] = []
        db.seals = self.seal

    @classmethod
    async def open(cls, settings: Settings, app_url: str, profile: "Profile") -> "Stack":
        """Connect to a migrated database and open the keystore. Raises Outage or ValueError with the reason."""
        keystore = keystore_of(settings)
        db = await Database.connect(app_url, settings.pool_size)
        return cls(settings, db, keystore, profile)

    def start_loops(self) -> None:
        """Start the rooms' endless work, and the delivery of events."""
        self._tasks = [asyncio.create_task(self._forever(loop)) for loop in [*self.loops, self.outbox.run]]

    async def _forever(self, loop: Loop) -> None:
        await loop(self)

    async def close(self) -> None:
        """Stop the endless work, then the database connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.db.close()
