"""SD-JWT VC: facts that the holder shows one by one (RFC 9901; SD-JWT VC, draft 19).

The draft is still moving: its media type, `typ` and claim names stand here and nowhere else.
"""

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from msingi.credentials.cose import Signer
from msingi.credentials.forms import jose
from msingi.credentials.forms.model import Draft, Fact

TYP = "dc+sd-jwt"
MEDIA = "application/dc+sd-jwt"
NEVER_HIDDEN = frozenset({"vct", "vct#integrity", "aka_vcts", "iss", "nbf", "exp", "cnf", "status"})
SALT_BYTES = 16
_ROUND = 4  # the number of digests is a multiple of this
Json = msgspec.json.Encoder()


def issue(draft: Draft, signer: Signer, header: str) -> str:
    """`draft` as an SD-JWT VC in compact form: the signed part and every disclosure, each ended by `~`.

    `header` is what `jose.header(signer, TYP, x5c)` gave. Salts have 128 bits and are drawn anew for each copy;
    digests are sorted, so that their order tells nothing (RFC 9901, section 9.5).
    """
    tree = _Node()
    for fact in draft.facts:
        tree.put(fact)
    salts = _salts(2 * len(draft.facts) + 8)
    disclosures: list[str] = []
    payload: dict[str, Any] = {
        "iss": draft.issuer,
        "nbf": draft.starts,
        "iat": draft.starts,
        "exp": draft.ends,
        "vct": draft.vct,
        "status": {"status_list": {"idx": draft.status.index, "uri": draft.status.uri}},
        "_sd_alg": "sha-256",
    }
    if draft.holder:
        payload["cnf"] = {"jwk": jose.bare_key(draft.holder)}
    payload |= tree.written(disclosures, salts, draft.decoys)
    return "~".join([jose.compact(header, Json.encode(payload), signer), *disclosures, ""])


def digest_of(disclosure: str) -> str:
    """The digest of a disclosure (RFC 9901, section 4.2.3)."""
    return jose.b64(sha256(disclosure.encode()).digest())


def written(fact: Fact) -> Any:
    """A fact's value in JSON: a picture is a data URI."""
    if fact.kind == "picture":
        from base64 import b64encode

        return "data:image/jpeg;base64," + b64encode(fact.value).decode()
    return fact.value


def _salts(count: int) -> Iterator[str]:
    while True:
        drawn = os.urandom(SALT_BYTES * count)
        for start in range(0, len(drawn), SALT_BYTES):
            yield jose.b64(drawn[start : start + SALT_BYTES])


class _Node:
    """One object of the document: facts that stand in it, and objects below it."""

    __slots__ = ("facts", "inner")

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.inner: dict[str, _Node] = {}

    def put(self, fact: Fact) -> None:
        """Place a fact where its path leads."""
        node = self
        for name in fact.path[:-1]:
            node = node.inner.setdefault(name, _Node())
        node.facts.append(fact)

    def written(self, disclosures: list[str], salts: Iterator[str], at_least: int = 0) -> dict[str, Any]:
        """The object with digests in place of hidden facts, whose disclosures are added to the list."""
        found: dict[str, Any] = {name: node.written(disclosures, salts) for name, node in self.inner.items()}
        digests = []
        for fact in self.facts:
            value = written(fact)
            if fact.elements and isinstance(value, list):
                value = [{"...": _hide(disclosures, [next(salts), element])} for element in value]
            if not fact.hidden or fact.path[-1] in NEVER_HIDDEN:
                found[fact.path[-1]] = value
            else:
                digests.append(_hide(disclosures, [next(salts), fact.path[-1], value]))
        wanted = -(-max(len(digests), at_least) // _ROUND) * _ROUND if digests else 0
        while len(digests) < wanted:  # decoys (RFC 9901, section 4.2.5)
            digests.append(digest_of(next(salts)))
        if digests:
            found["_sd"] = sorted(digests)
        return found


def _hide(disclosures: list[str], content: list[Any]) -> str:
    disclosure = jose.b64(Json.encode(content))
    disclosures.append(disclosure)
    return digest_of(disclosure)
