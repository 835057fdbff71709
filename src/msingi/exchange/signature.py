"""HTTP message signatures: the exchange's strict profile of RFC 9421 (Ed25519) with RFC 9530 digests.

The profile allows less than the RFC: one signature per message, written in canonical form, by Ed25519, with `created`,
`keyid` and `tag`. What a verifier has to decide about is then always signed, and there is one way to write it.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct, field

from msingi.exchange.errors import SignatureRefused
from msingi.kernel.ed25519 import is_signed

TAG = "msingi-exchange"
WINDOW_S = 300  # how old or how far ahead `created` may be

REQUEST_COVERS = (
    '"@method"', '"@authority"', '"@path"', '"@query"', '"content-digest"', '"x-road-client"', '"x-road-id"',
)  # fmt: skip
# Fields that change what is decided or recorded: signed whenever they are sent.
DECISIVE = (
    "content-type", "msingi-about", "msingi-basis", "msingi-fields", "msingi-purpose", "msingi-reply", "x-road-issue",
    "x-road-represented-party", "x-road-security-server", "x-road-userid",
)  # fmt: skip
ANSWER_COVERS = ('"@status"', '"content-digest"', '"x-road-id"', '"@method";req', '"@path";req', '"@query";req')
ANSWER_DECISIVE = (
    "content-type", "msingi-problem", "msingi-record", "x-road-client", "x-road-error", "x-road-request-hash",
    "x-road-request-id", "x-road-service",
)  # fmt: skip

# RFC 8941 section 4.1, canonical serialisation only: one dictionary member that is an inner list with parameters.
_ITEM = r'"(@?[a-z0-9_.*-]+)"((?:;[a-z*][a-z0-9_.*-]*(?:="[^"\\)]*")?)*)'
_ITEM_RE = re.compile(_ITEM)
_INPUT_RE = re.compile(
    rf'([a-z*][a-z0-9_.*-]*)=(\((?:{_ITEM}(?: {_ITEM})*)?\)((?:;[a-z]+=(?:-?[0-9]{{1,15}}|"[ !#-\[\]-~]*"))*))'
)
_PARAM_RE = re.compile(r';([a-z]+)=(?:(-?[0-9]+)|"([^"]*)")')
_VALUE_RE = re.compile(r"([a-z*][a-z0-9_.*-]*)=(:[A-Za-z0-9+/]*={0,2}:)")
_DIGEST_RE = re.compile(r"(sha-256|sha-512)=:([A-Za-z0-9+/]*={0,2}):")


PublicKey = Ed25519PublicKey | bytes  # or the 32 bytes of one


class _Input(NamedTuple):
    """A `Signature-Input`: its label, the inner list with its parameters, its items, those parameters, and the `keyid`
    among them (empty when there is none)."""

    label: str
    inner_list: str
    items: str
    parameters: tuple[tuple[str, str | int], ...]
    keyid: str


@lru_cache(maxsize=1024)
def _parsed_input(text: str) -> _Input | None:
    found = _INPUT_RE.fullmatch(text)
    if found is None:
        return None
    parameters = tuple((m[1], m[3] if m[2] is None else int(m[2])) for m in _PARAM_RE.finditer(found[7]))
    keyid = str(dict(parameters).get("keyid", ""))
    return _Input(found[1], found[2], found[2][: found[2].index(")")], parameters, keyid)


def _read_input(text: str) -> _Input | None:
    """A `Signature-Input` of one signature; None where it is not one. Busy clients send the same one for a second."""
    return _parsed_input(text) if len(text) < 2_048 else _parsed_input.__wrapped__(text)


def keyid_of(fields: dict[str, str]) -> str:
    """The `keyid` that a message claims, unverified, to find its key before `verify`; empty when there is none."""
    found = _read_input(fields.get("signature-input", ""))
    return "" if found is None else found.keyid


class Link(Struct, frozen=True):
    """The connection that brought a request: whether TLS ended here, the certificate (DER) that it showed, and whether
    it is from a proxy that may speak for the certificate of its client."""

    ends_tls: bool = False
    certificate: bytes = b""
    trusted: bool = False


UNKNOWN = Link()


class Message(Struct, frozen=True):
    """A request (`status` 0) or an answer with the request it answers; `fields` by lower-case name, combined.

    `trailers` are those fields of an answer that came after its body.
    `path` and `query` are as transported (percent-encoded); `query` is without its question mark.
    """

    method: str = ""
    authority: str = ""
    path: str = "/"
    query: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    status: int = 0
    request: "Message | None" = None
    trailers: dict[str, str] | None = None
    link: Link = UNKNOWN


class Verified(NamedTuple):
    """What a good signature proves: who signed (`keyid`), when (unix seconds), and which components."""

    keyid: str
    created: int
    label: str
    covered: frozenset[str]


@lru_cache(maxsize=4096)
def _name(raw: bytes | str) -> str:
    return (raw if isinstance(raw, str) else raw.decode("latin-1")).lower()


def combine(pairs: Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header lines as one value per lower-case name, joined by comma and space (RFC 9421 section 2.1)."""
    fields: dict[str, str] = {}
    for raw, value in pairs:
        name, text = _name(raw), (value if isinstance(value, str) else value.decode("latin-1")).strip(" \t")
        fields[name] = f"{fields[name]}, {text}" if name in fields else text
    return fields


def content_digest(body: bytes) -> str:
    """The `Content-Digest` field of `body` by SHA-256 (RFC 9530 section 2)."""
    return f"sha-256=:{binascii.b2a_base64(hashlib.sha256(body).digest(), newline=False).decode()}:"


def components_of(message: Message) -> tuple[str, ...]:
    """What this profile signs of `message`: the fixed components, and every decisive field that is present.

    An answer whose digest is only known at its end has it, and the signature, in its trailers (RFC 9421 2.1, `tr`).
    """
    if message.status == 0:
        return _request_covers(tuple(message.fields))
    of = message.request.fields.get("signature", "") if message.request is not None else ""
    return _answer_covers(tuple(message.fields), message.trailers is not None, of.partition("=")[0])


@lru_cache(maxsize=1024)
def _request_covers(names: tuple[str, ...]) -> tuple[str, ...]:
    return (*REQUEST_COVERS, *(f'"{name}"' for name in DECISIVE if name in names))


@lru_cache(maxsize=1024)
def _answer_covers(names: tuple[str, ...], in_trailers: bool, label: str) -> tuple[str, ...]:
    covers = [*ANSWER_COVERS, *(f'"{name}"' for name in ANSWER_DECISIVE if name in names)]
    if in_trailers:
        covers[1] = '"content-digest";tr'
    if label:
        covers.append(f'"signature";req;key="{label}"')
    return tuple(covers)


def _component(message: Message, item: str, name: str, parameters: str) -> str:
    """The value of one component identifier (RFC 9421 sections 2.1, 2.2, 2.4)."""
    source = message
    if parameters.startswith(";req"):
        if message.request is None:
            raise SignatureRefused("RFC 9421 2.4: `req` stands only in an answer", step=6)
        source, parameters = message.request, parameters[4:]
    if parameters == ";tr":
        if name not in (source.trailers or {}):
            raise SignatureRefused(f"RFC 9421 2.1: the message has no trailer {item}", step=6)
        return (source.trailers or {})[name]
    if name.startswith("@") and not parameters:
        if name == "@status" and source.status:
            return str(source.status)
        derived = {"@method": source.method, "@authority": source.authority, "@path": source.path or "/",
                   "@query": "?" + source.query}  # fmt: skip
        if name in derived and not source.status:
            return derived[name]
    if name.startswith("@") or name not in source.fields:
        raise SignatureRefused(f"RFC 9421 2.5: the message has no component {item}", step=6)
    value = source.fields[name]
    if parameters:  # a dictionary member: this profile has dictionaries of one member only
        label, _, member = value.partition("=")
        if parameters != f';key="{label}"' or "," in member:
            raise SignatureRefused(f"RFC 9421 2.1.2: {item} names no single member", step=6)
        return member
    return value


@lru_cache(maxsize=1024)
def _items(inner_list: str) -> tuple[tuple[str, str, str], ...]:
    """The component identifiers of an inner list without its parameters: whole, name, parameters."""
    return tuple((found[0], found[1], found[2]) for found in _ITEM_RE.finditer(inner_list))


_DERIVED = ("@method", "@authority", "@path", "@query")


@lru_cache(maxsize=1024)
def _template(
    items: str,
) -> tuple[str, Callable[[dict[str, str]], tuple[str, ...]], int, tuple[tuple[str, str, str, str, str], ...]]:
    """The signature base of an inner list as a template, what takes its values out of all there are, how many lines it
    has, and (place, item, name, parameters, start) of those components whose values are neither fields of the message
    nor derived from a request; with how the field starts that has this one member of a request's dictionary."""
    lines, places, rest, found = [], list[str](), [], _items(items)
    for item, name, parameters in found:
        plain = not parameters or (parameters == ";req" and name in _DERIVED)
        place = name + parameters if plain else f"@{len(rest)}"
        lines.append(f"{item.replace('%', '%%')}: %s")
        places.append(place)
        if not plain:
            label = parameters.removeprefix(';req;key="').removesuffix('"')
            whole = parameters == f';req;key="{label}"' and label and "=" not in label and name[0] != "@"
            rest.append((place, item, name, parameters, f"{label}=" if whole else ""))
    taken = itemgetter(*places) if len(places) > 1 else lambda values: tuple(values[place] for place in places)
    return "\n".join([*lines, '"@signature-params": ']), taken, len(found), tuple(rest)


def signature_base(message: Message, inner_list: str, items: str = "") -> bytes:
    """The bytes that are signed: one line per covered component, then the parameters (RFC 9421 section 2.5)."""
    template, taken, count, rest = _template(items or inner_list[: inner_list.index(")")])
    asked = message.request
    if message.status == 0:
        values = {
            **message.fields, "@method": message.method, "@authority": message.authority,
            "@path": message.path or "/", "@query": "?" + message.query,
        }  # fmt: skip
    elif asked is not None and asked.status == 0:
        values = {
            **message.fields, "@status": str(message.status), "@method;req": asked.method,
            "@authority;req": asked.authority, "@path;req": asked.path or "/", "@query;req": "?" + asked.query,
        }  # fmt: skip
    else:
        values = {**message.fields, "@status": str(message.status)}
    for place, item, name, parameters, starts in rest:
        member = asked.fields.get(name, "") if starts and asked is not None else ""
        if starts and member.startswith(starts) and "," not in member:  # as in every answer
            values[place] = member[len(starts) :]
        else:
            values[place] = _component(message, item, name, parameters)
    try:
        base = template % taken(values) + inner_list
    except KeyError as missing:
        raise SignatureRefused(f"RFC 9421 2.5: the message has no component {missing}", step=6) from None
    if not base.isascii() or base.count("\n") != count or "\r" in base:
        raise SignatureRefused("RFC 9421 2.5: the value of a component is not plain ASCII", step=6)
    return base.encode()


@lru_cache(maxsize=1024)
def _joined(covers: tuple[str, ...]) -> str:
    """How an inner list begins: one text for the same components, by which its template is found at once."""
    return "(" + " ".join(covers)


def sign(
    message: Message, signer: Callable[[bytes], bytes], keyid: str, created: int, *,
    covers: Sequence[str] | None = None, tag: str = TAG, label: str = "msingi",
) -> dict[str, str]:  # fmt: skip
    """The fields `signature-input` and `signature` for `message`; `created` in unix seconds (RFC 9421 section 3.1).

    `signer` gives the raw 64-byte Ed25519 signature of the bytes it is handed.
    """
    items = _joined(components_of(message) if covers is None else tuple(covers))
    inner_list = f'{items});created={created};keyid="{keyid}";alg="ed25519";tag="{tag}"'
    signature = binascii.b2a_base64(signer(signature_base(message, inner_list, items)), newline=False).decode()
    return {"signature-input": f"{label}={inner_list}", "signature": f"{label}=:{signature}:"}


def digest_matches(header: str, body: bytes) -> bool:
    """Every digest of the field fits `body`, and there is at least one (RFC 9530 section 2)."""
    return all(
        found and hmac.compare_digest(base64.b64encode(hashlib.new(found[1], body).digest()).decode(), found[2])
        for found in digests_of(header)
    )


@lru_cache(maxsize=64)
def _fits_nothing(header: str) -> bool:
    """As `digest_matches` for the empty body, which most requests have, and which has always the same digests."""
    return digest_matches(header, b"")


def digests_of(header: str) -> list[tuple[str, str, str] | None]:
    """The digests of a `Content-Digest`: (member, hash name, base64); None for one that is not understood."""
    found = [_DIGEST_RE.fullmatch(member) for member in header.split(", ")]
    return [(one[0], one[1].replace("-", ""), one[2]) if one else None for one in found]


def verify(
    message: Message, body: bytes, key_of: Callable[[str], PublicKey | None], now: int, *,
    tag: str = TAG, window_s: int = WINDOW_S,
) -> Verified:  # fmt: skip
    """Who signed `message` (RFC 9421 section 3.2); `now` in unix seconds, `key_of` finds a public key by `keyid`.

    Raises SignatureRefused with the number of the step that failed and the clause.
    """
    proof = verify_head(message, key_of, now, tag=tag, window_s=window_s)
    check_digest(message, body)
    return proof


def check_digest(message: Message, body: bytes) -> None:
    """Step 8 of verifying: the body has the digest that was signed (RFC 9530 section 2). Raises SignatureRefused."""
    fields = message.fields if message.trailers is None else message.trailers
    header = fields["content-digest"]
    if not (digest_matches(header, body) if body else _fits_nothing(header)):
        raise SignatureRefused("RFC 9530 2: the body does not have this Content-Digest", step=8)


@lru_cache(maxsize=1024)
def _coverage(items: str, wanted: tuple[str, ...]) -> tuple[frozenset[str], str | None]:
    """What an inner list covers; and what it should cover and does not, None where there is nothing wrong."""
    found = [item for item, _, _ in _items(items)]
    covered = frozenset(found)
    missing = " ".join(item for item in wanted if item not in covered)
    return covered, missing if missing or len(covered) != len(found) else None


def verify_head(
    message: Message, key_of: Callable[[str], PublicKey | None], now: int, *, tag: str = TAG, window_s: int = WINDOW_S,
) -> Verified:  # fmt: skip
    """Steps 1 to 7, for which the body need not have come: `check_digest` is the eighth. Raises SignatureRefused."""
    given = message.fields if message.trailers is None else message.trailers
    # 1. One signature, and its input, under one label (RFC 9421 sections 3.2 step 1, 4.1, 4.2).
    parsed_input = _read_input(given.get("signature-input", ""))
    parsed_value = _VALUE_RE.fullmatch(given.get("signature", ""))
    if not parsed_input or not parsed_value or parsed_input.label != parsed_value[1]:
        raise SignatureRefused("RFC 9421 4: exactly one signature in canonical form is expected", step=1)
    inner_list = parsed_input.inner_list
    # 2. and 3. Its parameters.
    keyid, created = _check_parameters(parsed_input.parameters, now, tag, window_s)
    # 4. It covers all that is decided upon, each once (sections 2.5 and 7.2.1: insufficient coverage).
    covered, missing = _coverage(parsed_input.items, components_of(message))
    if missing is not None:
        raise SignatureRefused(f"RFC 9421 7.2.1: not covered, or covered twice: {missing}", step=4)
    # 5. The key is known (section 3.2 step 5).
    key = key_of(keyid)
    if key is None:
        raise SignatureRefused("RFC 9421 3.2 step 5: this key is not known here", step=5)
    # 6. Rebuild the signature base from the message as received (section 2.5).
    signed = signature_base(message, inner_list, parsed_input.items)
    # 7. The signature is of that base by that key (section 3.3.6).
    raw = key if isinstance(key, bytes) else key.public_bytes_raw()
    try:
        value = binascii.a2b_base64(parsed_value[2][1:-1], strict_mode=True)
    except binascii.Error:
        value = b""
    if not is_signed(raw, signed, value):
        raise SignatureRefused("RFC 9421 3.3.6: the signature is not of this message by this key", step=7)
    return Verified(keyid, created, parsed_input.label, covered)


def _check_parameters(
    parameters: tuple[tuple[str, str | int], ...], now: int, tag: str, window_s: int
) -> tuple[str, int]:
    """Steps 2 and 3: `keyid` and `created`, once every parameter is as it should be. Raises SignatureRefused."""
    keyid, created, expires = _settled(parameters, tag)
    if abs(now - created) > window_s or (expires is not None and expires < now):
        raise SignatureRefused(f"RFC 9421 2.3: signed more than {window_s} s away from now, or expired", step=3)
    return keyid, created


@lru_cache(maxsize=1024)
def _settled(parameters: tuple[tuple[str, str | int], ...], tag: str) -> tuple[str, int, int | None]:
    """`keyid`, `created` and `expires` of parameters that are as they should be, whatever the time is."""
    # 2. They are known, single, and all that this profile asks for (section 2.3).
    given = dict(parameters)
    if len(given) != len(parameters) or not {"created", "keyid", "tag"} <= given.keys():
        raise SignatureRefused("RFC 9421 2.3: `created`, `keyid` and `tag` are expected once each", step=2)
    if given.keys() - {"created", "keyid", "tag", "alg", "nonce", "expires"} or given["tag"] != tag:
        raise SignatureRefused("RFC 9421 2.3: an unknown parameter or another tag", step=2)
    if given.get("alg", "ed25519") != "ed25519":
        raise SignatureRefused("RFC 9421 3.2 step 6: the algorithm is not ed25519", step=2)
    # 3. It is of now (sections 2.3 and 7.2.2: replay).
    created, expires = given["created"], given.get("expires")
    if not isinstance(created, int) or not isinstance(expires, int | None):
        raise SignatureRefused("RFC 9421 2.3: `created` and `expires` are integers", step=3)
    return str(given["keyid"]), created, expires
