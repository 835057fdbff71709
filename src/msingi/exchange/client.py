"""A light consumer: what an institution needs to use the exchange is a key and these functions; no server of its own.

`ask` signs a request, sends it, and believes an answer only if the exchange signed it for exactly this request.
"""

import base64
import hashlib
import ssl
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from msgspec.structs import replace

from msingi.exchange import signature
from msingi.exchange.errors import SignatureRefused
from msingi.exchange.governance import public_key
from msingi.exchange.model import Inflow
from msingi.exchange.signature import Message
from msingi.exchange.upstream import Pool
from msingi.kernel import clock
from msingi.kernel.keys import public_jwk

TIMEOUT_S = 30.0


class Prepared(Struct, frozen=True):
    """A signed request, ready to be sent by any HTTP client; `headers` by lower-case name."""

    url: str
    message: Message
    body: bytes

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.message.method

    @property
    def headers(self) -> dict[str, str]:
        """All header fields to send; Host is for the HTTP client to set."""
        return {name: value for name, value in self.message.fields.items() if name != "host"}


class Answered(Struct, frozen=True):
    """A verified answer; `error` is the X-Road error type, empty when there is none, and `record` names the leaf.

    `origin` is the proof of another instance's exchange, where the answer came from one: see `verify_origin`.
    """

    status: int
    body: bytes
    media_type: str
    error: str = ""
    problem: str = ""
    record: str = ""
    origin: str = ""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Refused(Exception):
    """The exchange, or the service, answered with an error; `answer` holds it."""

    def __init__(self, answer: Answered) -> None:
        super().__init__(f"{_words(answer.body)} ({answer.status} {answer.problem or answer.error})")
        self.answer = answer


def _words(body: bytes) -> str:
    """What an error says to people: the message of an X-Road error with its number, or the beginning of what came."""
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    if not told.get("message"):
        return body[:300].decode("utf-8", "replace")
    number = f", number {told['detail']}" if told.get("detail") else ""
    return f"{str(told['message']).rstrip('.')}{number}"


def new_key() -> dict[str, str]:
    """A fresh private Ed25519 JWK with its `kid`; send only `public_part` of it (RFC 8037)."""
    key = Ed25519PrivateKey.generate()
    d = base64.urlsafe_b64encode(key.private_bytes_raw()).rstrip(b"=").decode()
    return public_jwk(key.public_key()) | {"d": d}


def public_part(jwk: Mapping[str, str]) -> dict[str, str]:
    """The part of a JWK that others may see."""
    return {name: jwk[name] for name in ("kty", "crv", "x")}


def private_key(jwk: Mapping[str, str]) -> Ed25519PrivateKey:
    """The key object of a private JWK."""
    return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(jwk["d"] + "=" * (-len(jwk["d"]) % 4)))


def prepare(
    base_url: str, client_id: str, private_jwk: Mapping[str, str], path: str, *, method: str = "GET", query: str = "",
    body: bytes = b"", headers: Mapping[str, str] | None = None,
) -> Prepared:  # fmt: skip
    """A signed request of `client_id` ("XT/GOV/zahanati/records") to any door under `base_url`.

    `path` and `query` are percent-encoded; `headers` are further fields, such as `msingi-purpose`.
    """
    url = urlsplit(base_url)
    default = ":443" if url.scheme == "https" else ":80"
    fields = {
        "accept": "application/json",
        "host": url.netloc.lower(),
        "x-road-client": client_id,
        "x-road-id": str(uuid4()),
        "content-digest": signature.content_digest(body),
    } | dict(headers or {})
    message = Message(method, url.netloc.lower().removesuffix(default), path, query, fields)
    key = private_key(private_jwk)
    kid = private_jwk.get("kid") or public_jwk(key.public_key())["kid"]
    fields |= signature.sign(message, key.sign, kid, int(clock.now().timestamp()))
    where = f"{url.scheme}://{url.netloc}{path}" + (f"?{query}" if query else "")
    return Prepared(where, message, body)


def service_path(service: str, person: str = "", rest: str = "") -> str:
    """The path of a service ("XT/GOV/zahanati/records/patient-summary"), each segment encoded by itself."""
    named = [*service.split("/"), *([person] if person else [])]
    return "/r1/" + "/".join(quote(part, safe="") for part in named) + ("/" + rest.lstrip("/") if rest else "")


def opened(
    prepared: Prepared, status: int, headers: Iterable[tuple[str, str]], body: bytes,
    exchange_keys: Iterable[Mapping[str, str]],
) -> Answered:  # fmt: skip
    """The answer to `prepared`, believed only if one of `exchange_keys` signed it for this request.

    Raises SignatureRefused.
    """
    answer = Message(status=status, fields=signature.combine(headers), request=prepared.message)
    told = believed(prepared, answer, exchange_keys)
    signature.check_digest(answer, body)
    return replace(told, body=body)


def believed(prepared: Prepared, answer: Message, exchange_keys: Iterable[Mapping[str, str]]) -> Answered:
    """The same for an answer whose body is checked elsewhere, with `signature.check_digest` or by its reader."""
    known: dict[str, bytes] = {key["kid"]: public_key(key["x"]).public_bytes_raw() for key in exchange_keys}
    signature.verify_head(answer, known.get, int(clock.now().timestamp()))
    fields = answer.fields
    if fields.get("x-road-id") != prepared.message.fields["x-road-id"]:
        raise SignatureRefused("this answer is to another message", step=8)
    return Answered(
        answer.status, b"", fields.get("content-type", ""), fields.get("x-road-error", ""),
        fields.get("msingi-problem", ""), fields.get("msingi-record", ""), fields.get("msingi-origin", ""),
    )  # fmt: skip


async def download(
    prepared: Prepared, exchange_keys: Iterable[Mapping[str, str]], take: Callable[[bytes], object],
    body: Inflow | None = None, tls: ssl.SSLContext | None = None,
) -> Answered:  # fmt: skip
    """Send a request, with a `body` of any size, and give the answer's body to `take` piece by piece.

    What was taken counts only when this returns: the signature of a streamed answer comes at its end.
    Raises SignatureRefused, AnswerFailed, AnswerUnreachable.
    """
    url = urlsplit(prepared.url)
    pool = Pool(f"{url.scheme}://{url.netloc}", most=1, tls=lambda: tls or ssl.create_default_context())
    target = url.path + (f"?{url.query}" if url.query else "")
    head = f"{prepared.method} {target} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in prepared.message.fields.items())
    if body is not None:
        head += "transfer-encoding: chunked\r\n" if body.size is None else f"content-length: {body.size}\r\n"
    elif prepared.body or prepared.method in ("POST", "PUT", "PATCH"):
        head += f"content-length: {len(prepared.body)}\r\n"
    line = await pool.ask(prepared.method, f"{head}\r\n".encode("latin-1"), prepared.body, body)
    sha256 = hashlib.sha256()
    try:
        async for chunk in line.body():
            sha256.update(chunk)
            take(chunk)
        fields = signature.combine(line.headers)
        trailers = signature.combine(line.trailers) if "signature" not in fields else None
        answer = Message(status=line.status, fields=fields, request=prepared.message, trailers=trailers)
        told = believed(prepared, answer, exchange_keys)
        digest = (fields if trailers is None else trailers)["content-digest"]
        if digest != f"sha-256=:{base64.b64encode(sha256.digest()).decode()}:":
            raise SignatureRefused("RFC 9530 2: the body does not have this Content-Digest", step=8)
        return told
    finally:
        pool.close()


@cache
def usual_trust() -> ssl.SSLContext:
    """The authorities that everybody trusts, read once: reading them takes longer than most answers."""
    import httpx

    return httpx.create_ssl_context(trust_env=False)


async def send(
    prepared: Prepared, exchange_keys: Iterable[Mapping[str, str]], tls: ssl.SSLContext | None = None
) -> Answered:
    """Send a prepared request and open its answer; `tls` shows a certificate of this institution (`mutual.holding`).

    Raises SignatureRefused, httpx.HTTPError.
    """
    import httpx  # only programs that ask others need an HTTP client

    # The path is signed as it is written: no redirect is followed, and escapes stay as they are.
    verify = usual_trust() if tls is None else tls
    async with httpx.AsyncClient(verify=verify, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as session:
        answer = await session.request(
            prepared.method, prepared.url, content=prepared.body or None, headers=prepared.headers
        )
    return opened(prepared, answer.status_code, list(answer.headers.multi_items()), answer.content, exchange_keys)


def verify_origin(prepared: Prepared, answer: Answered, origin_keys: Iterable[Mapping[str, str]]) -> int:
    """The status that another instance's exchange signed, if it signed this answer to `prepared` with `origin_keys`.

    So an institution need not believe the exchange between. Raises SignatureRefused.
    """
    from msingi.exchange.federation import wire  # only who asks other instances needs it

    now = int(clock.now().timestamp())
    return wire.verify_proof(answer.origin, prepared.message, answer.body, [dict(k) for k in origin_keys], now)


async def keys_of(base_url: str, tls: ssl.SSLContext | None = None) -> list[dict[str, str]]:
    """The exchange's public keys, as it publishes them; a careful client keeps them and asks its authority first."""
    import httpx

    verify = usual_trust() if tls is None else tls
    async with httpx.AsyncClient(verify=verify, timeout=TIMEOUT_S, trust_env=False) as session:
        answer = await session.get(f"{base_url.rstrip('/')}/v1/exchange/keys")
        return msgspec.json.decode(answer.content)["keys"]


async def ask(
    base_url: str, client_id: str, private_jwk: Mapping[str, str], service: str, person: str, purpose: str, *,
    basis: str = "", fields: Iterable[str] = (), exchange_keys: Iterable[Mapping[str, str]] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answered:  # fmt: skip
    """What `service` ("XT/GOV/rita/identity/person") says about `person` (own pseudonym or identity number).

    Where the exchange asks for a certificate, `tls` shows it, and `exchange_keys` are known beforehand.

    Raises Refused when the answer is an error, SignatureRefused when it is not the exchange's own.
    """
    named = {"msingi-purpose": purpose}
    if basis:
        named["msingi-basis"] = basis
    wanted = " ".join(fields)
    if wanted:
        named["msingi-fields"] = wanted
    prepared = prepare(base_url, client_id, private_jwk, service_path(service, person), headers=named)
    answer = await send(prepared, await keys_of(base_url) if exchange_keys is None else exchange_keys, tls)
    if answer.error or answer.status >= 400:
        raise Refused(answer)
    return answer
