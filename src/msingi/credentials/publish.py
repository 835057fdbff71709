"""What anybody may fetch without saying who they are: the issuer's keys and the signed status lists.

Nothing here concerns a person: a list is published whole, so a fetch does not tell whose card is being checked.
"""

from typing import Any

from msgspec import Struct

from msingi.credentials import rules, statuslist, store
from msingi.credentials.errors import NoSuchStatusList
from msingi.credentials.forms import vcjwt
from msingi.credentials.issuance import certificates
from msingi.kernel import clock
from msingi.kernel.stack import Stack

ROOM = "credentials"
_KEPT = "credentials.status-lists"


class Published(Struct, frozen=True):
    """One signed list in both forms, and what it was made from; `issued_at` in seconds since 1970."""

    version: int
    kid: str
    issued_at: int
    jwt: str
    cwt: bytes

    @property
    def etag(self) -> str:
        """Changes whenever the token does."""
        return f'"{self.version}-{self.issued_at}"'


def issuer_keys(stack: Stack) -> dict[str, object]:
    """The issuer's address and its public keys as a JWK Set (RFC 7517), all versions that still verify."""
    return {"issuer": stack.settings.url, "keys": [*stack.keys.public("credentials"), *stack.keys.public("issuer")]}


def list_uri(stack: Stack, list_id: int) -> str:
    """The address of a list, which is also the `sub` of its token and the `uri` of references to it."""
    return f"{stack.settings.url}/credentials/status/{list_id}"


async def status_list(stack: Stack, list_id: int) -> Published:
    """The signed list, made anew when an entry or the signing key changed, or half of its life has passed.

    Raises NoSuchStatusList.
    """
    kept = stack.local.setdefault(_KEPT, {})
    assert isinstance(kept, dict)
    known: Published | None = kept.get(list_id)
    issuer = certificates.issuer(stack)
    signer = issuer.signer
    now = int(clock.now().timestamp())
    async with stack.db.reading(ROOM) as tx:
        version = await store.version_of(tx, list_id)
        if version is None:
            raise NoSuchStatusList()
        fresh = known and 0 <= now - known.issued_at < rules.LIST_LIFE_S // 2
        if known and fresh and (known.version, known.kid) == (version, signer.kid):
            return known
        # Read after the version: a change in between makes the copy newer than its version, never older.
        exceptions = await store.exceptions(tx, list_id)
    token = statuslist.StatusToken(
        uri=list_uri(stack, list_id),
        entries=statuslist.pack(rules.LIST_SIZE, rules.LIST_BITS, exceptions),
        issued_at=now,
        expires=now + rules.LIST_LIFE_S,
        ttl_s=rules.LIST_TTL_S,
    )
    jwt = statuslist.write_jwt(token, signer, issuer.x5c)
    made = Published(version, signer.kid, now, jwt, statuslist.write_cwt(token, signer, issuer.certificate))
    kept[list_id] = made
    return made


async def all_list_uris(stack: Stack) -> list[str]:
    """The addresses of all lists, the newest first (Token Status List, 9.3: aggregation)."""
    async with stack.db.reading(ROOM) as tx:
        return [list_uri(stack, list_id) for list_id in await store.all_lists(tx)]


async def bitstring(stack: Stack, list_id: int, purpose: str) -> str:
    """The list as W3C verifiers read it, for one purpose: `revocation` or `suspension` (Bitstring Status List 1.0).

    It says what the list of tokens says, for it is made from it. Raises NoSuchStatusList.
    """
    wanted = {"revocation": statuslist.Status.INVALID, "suspension": statuslist.Status.SUSPENDED}.get(purpose)
    if wanted is None:
        raise NoSuchStatusList()
    published = await status_list(stack, list_id)
    kept: Any = stack.local.setdefault(_KEPT + ".bitstrings", {})
    known = kept.get((list_id, purpose))
    if known is None or known[0] != published.etag:
        async with stack.db.reading(ROOM) as tx:
            exceptions = await store.exceptions(tx, list_id)
        bits = bytearray(rules.LIST_SIZE // 8)
        for index, value in exceptions.items():
            if value == wanted:
                bits[index // 8] |= 0x80 >> index % 8  # the first entry is the leftmost bit (section 3.2)
        issuer = certificates.issuer(stack)
        url = f"{list_uri(stack, list_id)}/{purpose}"
        known = published.etag, vcjwt.status_list(
            url, stack.settings.url, purpose, bytes(bits), published.issued_at, rules.LIST_LIFE_S, issuer.signer,
            issuer.vc_header,
        )  # fmt: skip
        kept[list_id, purpose] = known
    return known[1]
