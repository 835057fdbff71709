"""What a verifier must hold to check cards, proofs and receipts without a network: public keys, in one file."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec

from msingi.kernel.keys import Keystore
from msingi.kernel.log import witness
from msingi.kernel.stack import Stack

FILE = "trust.json"


class Trust(msgspec.Struct, frozen=True):
    """The issuer's address, the log's verifier keys (C2SP vkeys, witnesses last), and JWK sets by use."""

    issuer: str
    log: list[str]
    credentials: dict[str, list[dict[str, Any]]]
    consent: dict[str, list[dict[str, Any]]]
    exchange: dict[str, list[dict[str, Any]]]


def _keys(keystore: Keystore, *names: str) -> dict[str, list[dict[str, Any]]]:
    return {"keys": [dict(k) for name in names for k in keystore.public(name)]}


async def of(stack: Stack) -> Trust:
    """What the running stack publishes at /.well-known/msingi-trust.json."""
    vkeys = await witness.published_vkeys(stack)
    # Cards are signed with one key, wallets' credentials and all status lists with the document signer's.
    names = (("credentials", "issuer"), ("consent",), ("exchange",))
    return Trust(stack.settings.url, [str(k) for k in vkeys], *(_keys(stack.keys, *n) for n in names))


async def write(stack: Stack) -> None:
    """Keep the trust file in the stack's home, so that `msingi verify` works there without the stack."""
    file = Path(stack.settings.home) / FILE
    draft = file.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(await of(stack)), indent=1))
    draft.replace(file)


def read(path: Path) -> Trust:
    """A trust file. Raises ValueError, saying what is wrong with it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Trust)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise ValueError(f"{path} is not a trust file: {wrong}") from None
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; get it once from /.well-known/msingi-trust.json of the issuer") from None


def readable(claims: Any) -> dict[str, Any]:
    """A struct as JSON values, bytes as base64, for people and programs that print it."""
    plain = msgspec.to_builtins(claims, enc_hook=str, builtin_types=(bytes,))
    return json.loads(json.dumps(plain, default=lambda raw: base64.b64encode(raw).decode()))
