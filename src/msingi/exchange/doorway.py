"""Mutual TLS where the exchange's own server ends it: who may connect.

Which clients are let in changes while the server runs, so the context of each handshake is chosen when the handshake
begins. It believes an anchor for each key that may be used, and nothing else. What is decided there is only who may
connect: each message is weighed again on the keys in force (`rules.judge`).
"""

import asyncio
import logging
import ssl
from pathlib import Path

from msingi.exchange import certificates, store
from msingi.exchange.errors import BadKey
from msingi.exchange.federation import acts as federation
from msingi.exchange.governance import public_key
from msingi.kernel import clock
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.exchange")
HANDSHAKE_S = 10.0
LOOK_S = 2.0  # how often the register is looked at: a new key is let in within this time


class Told(ssl.SSLObject):
    """A handshake whose client hears why it failed.

    asyncio closes a connection whose handshake failed before the alert is sent (RFC 8446 section 6.2). So the failure
    waits until the client says something more, closes, or takes longer than HANDSHAKE_S.
    """

    failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Go on with the handshake. Raises ssl.SSLError."""
        if self.failure is not None:
            raise self.failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as failure:
            self.failure = failure
            raise ssl.SSLWantReadError from failure


class Doorway:
    """Who may connect: the server's certificate from its files, and an anchor for each key that may be used."""

    def __init__(self, stack: Stack, certificate: Path, key: Path, *, required: bool) -> None:
        self.stack, self.files, self.required = stack, (certificate, key), required
        self.anchors: dict[str, bytes] = {}
        self.stamp: tuple[float, ...] = ()
        self.context: ssl.SSLContext
        self.entry: ssl.SSLContext  # what listeners hold; each handshake goes on with `context`
        self.task: asyncio.Task[None] | None = None

    async def open(self) -> ssl.SSLContext:
        """The context to listen with. Raises OSError or ssl.SSLError for files that are not a certificate and key."""
        self.anchors, self.stamp = await self._wanted(), self._stamped()
        self.context = await asyncio.to_thread(self._made, self.anchors)
        self.entry = self._made({})
        self.entry.sslobject_class = Told
        self.entry.sni_callback = self._choose
        self.task = asyncio.create_task(self._watch())
        return self.entry

    async def close(self) -> None:
        """Look at the register no more."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    def _choose(self, handshake: ssl.SSLObject, name: str, entry: ssl.SSLContext) -> None:
        handshake.context = self.context

    def _stamped(self) -> tuple[float, ...]:
        return tuple(file.stat().st_mtime for file in self.files)

    def _made(self, anchors: dict[str, bytes]) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.load_cert_chain(*self.files)
        made.num_tickets = 0  # a resumed session would not be asked for its certificate again
        made.verify_mode = ssl.CERT_REQUIRED if self.required else ssl.CERT_OPTIONAL
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if anchors:
            made.load_verify_locations(cadata=b"".join(anchors.values()))
        return made

    async def _wanted(self) -> dict[str, bytes]:
        """The anchors by key, those that are known already as they are."""
        async with self.stack.db.reading("exchange") as tx:
            keys = await store.keys_in_use(tx)
        keys |= await federation.keys_of_peers(self.stack)
        now, found = clock.now(), dict[str, bytes]()
        for kid, x in keys.items():
            try:
                found[kid] = self.anchors.get(kid) or certificates.anchor(kid, public_key(x).public_bytes_raw(), now)
            except (BadKey, ValueError):  # a peer's directory may hold anything: it keeps nobody else out
                logger.warning("a key is no anchor", extra={"kid": kid})
        return found

    async def refresh(self) -> None:
        """Let in whoever has joined, and out whoever has left, from the next handshake on; take renewed files."""
        wanted, stamp = await self._wanted(), self._stamped()
        if wanted.keys() == self.anchors.keys() and stamp == self.stamp:
            return
        added = b"".join(der for kid, der in wanted.items() if kid not in self.anchors)
        if self.anchors.keys() <= wanted.keys() and stamp == self.stamp:
            self.context.load_verify_locations(cadata=added)
        else:  # an anchor cannot be taken out of a context
            self.context = await asyncio.to_thread(self._made, wanted)
        self.anchors, self.stamp = wanted, stamp

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.refresh()
            except Exception:  # the database is away, or a file is half written: who was let in still is
                logger.warning("the keys of members could not be looked at", exc_info=True)


def doorway(stack: Stack) -> Doorway | None:
    """The doorway that the settings ask for; None where TLS ends in a proxy."""
    chosen = stack.settings
    if not chosen.gateway_certificate:
        return None
    key = chosen.gateway_certificate_key or chosen.gateway_certificate
    return Doorway(stack, Path(chosen.gateway_certificate), Path(key), required=chosen.gateway_mtls)
