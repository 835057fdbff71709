"""The laws of presentation as pure functions: may this be asked, may this be released, what is kept of it."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from msingi.credentials.presentation import dcql, mdoc, sdjwt
from msingi.credentials.presentation.errors import (
    NoRightToAsk,
    NotForThisRequest,
    NotWhatWasAsked,
    OtherSession,
    QueryMalformed,
    Refused,
    RequestEnded,
    WrongNumber,
)
from msingi.credentials.presentation.model import (
    MDOC,
    Across,
    Asked,
    Binding,
    Claim,
    Credential,
    CredentialQuery,
    Device,
    Identify,
    Mode,
    Order,
    Query,
    Right,
    Row,
    Said,
    Shown,
    State,
    fields_of,
)
from msingi.credentials.presentation.trust import Trusted
from msingi.credentials.presentation.wire import from_base64url, to_base64url

EVERYTHING = ("*",)
LEAST_S, MOST_S = 60, 900
ANSWER_KEPT_S = 600
REQUEST_KEPT_S = 86_400
MOST_TRIES = 5
MOST_NUMBERS = 3
MOST_PRESENTATIONS = 20
MOST_TRANSACTIONS = 10


def may_ask(order: Order, query: Query, right: Right | None) -> None:
    """Nothing, if `right` covers every claim that the query can bring (law 1). Raises NoRightToAsk."""
    if right is None:
        raise NoRightToAsk(purpose=order.purpose, basis=order.basis)
    beyond = [name for name in fields_of(query) if not _within(name, right.fields)]
    if beyond:
        raise NoRightToAsk("The right does not name these fields.", fields=" ".join(beyond[:20]))


def _within(name: str, fields: Iterable[str]) -> bool:
    return any(outer in (name, "*") or name.startswith(outer + ".") for outer in fields)


def check_order(order: Order, query: Query, own_url: str) -> None:
    """Nothing, if the order can be carried out. Raises QueryMalformed, naming the field and the rule."""

    def need(holds: bool, field: str, rule: str) -> None:
        if not holds:
            raise QueryMalformed(f"{field}: {rule}", field=field, rule=rule)

    need(LEAST_S <= order.lives_s <= MOST_S, "lives_s", f"{LEAST_S} to {MOST_S}")
    if order.return_to:
        there = urlsplit(order.return_to)
        need(len(order.return_to) <= 4000 and bool(there.netloc), "return_to", "an absolute address")
        need(there.scheme == "https" or order.return_to.startswith(own_url + "/"), "return_to", "https")
        need(not there.username and not there.fragment, "return_to", "no fragment, nobody's name")
    need(len(order.transaction_data) <= MOST_TRANSACTIONS, "transaction_data", f"at most {MOST_TRANSACTIONS}")
    by_id = {credential.id: credential for credential in query.credentials}
    for entry in order.transaction_data:
        need(isinstance(entry.get("type"), str), "transaction_data.type", "a text")
        ids = entry.get("credential_ids")
        known = isinstance(ids, list) and bool(ids) and all(isinstance(i, str) and i in by_id for i in ids)
        need(known, "transaction_data.credential_ids", "ids of credentials")
        for credential in (by_id[i] for i in ids or ()):
            # An mdoc authorises data only where its type defines an element for it (B.2.1); none that we know does.
            need(credential.format != MDOC, "transaction_data.credential_ids", "not an mdoc")
            need(
                credential.require_cryptographic_holder_binding, "transaction_data", "a credential bound to its holder"
            )
        algorithms = entry.get("transaction_data_hashes_alg", ["sha-256"])
        need(isinstance(algorithms, list) and "sha-256" in algorithms, "transaction_data_hashes_alg", "with sha-256")


def check_haip(order: Order, query: Query, kinds: frozenset[str]) -> None:
    """Nothing, unless a type that requires HAIP 1.0 (one of `kinds`) is asked for in a weaker way (section 5.1).

    Raises QueryMalformed.
    """
    asked = {kind for credential in query.credentials for kind in types_of(credential)}
    if not asked & kinds:
        return
    if order.client_id_prefix is not Identify.X509_HASH:
        raise QueryMalformed("HAIP is required.", field="client_id_prefix", rule="x509_hash: HAIP 1.0, section 5")
    if order.response_mode is not Mode.ENCRYPTED:
        raise QueryMalformed("HAIP is required.", field="response_mode", rule="direct_post.jwt: HAIP 1.0, section 5.1")


def types_of(credential: CredentialQuery) -> tuple[str, ...]:
    """The types, by `vct` or document type, that one credential query would take."""
    meta = credential.meta
    return tuple(meta.get("vct_values", ())) + ((str(meta["doctype_value"]),) if "doctype_value" in meta else ())


def transaction_texts(order: Order) -> tuple[str, ...]:
    """The transaction data as the wallet gets it: base64url of JSON (OpenID4VP 5.1)."""
    return tuple(to_base64url(msgspec.json.encode(entry)) for entry in order.transaction_data)


def may_answer(row: Row, device: Device, now: int, session: bytes) -> None:
    """Nothing, if the request still waits for an answer from such a device (law 2).

    What comes through the browser's own interface comes through the browser whose page it is, `session` (law 6).
    Raises RequestEnded, OtherSession.
    """
    if row.state is not State.OPEN or now >= row.asked.expires_at:
        raise RequestEnded()
    if device is Device.OTHER and row.asked.across is Across.NO:
        raise OtherSession("This request is for a wallet on the device with the page.")
    if device is Device.BROWSER and not (row.session and hmac.compare_digest(row.session, session)):
        raise OtherSession()


def verified(
    query: Query, tokens: Mapping[str, list[str]], binding: Binding, trusted: Trusted, now: int
) -> list[tuple[str, Shown]]:
    """The presentations of a VP token, each verified as its format demands (OpenID4VP 8.6, step 2).

    Raises a refusal that names rule and clause.
    """
    by_id = {credential.id: credential for credential in query.credentials}
    found: list[tuple[str, Shown]] = []
    for name, presentations in tokens.items():
        wanted = by_id.get(name)
        if wanted is None:
            raise NotWhatWasAsked(rule="credential-id", clause="OpenID4VP 8.1")
        if len(presentations) > (MOST_PRESENTATIONS if wanted.multiple else 1):
            raise NotWhatWasAsked(rule="multiple", query=name, clause="OpenID4VP 6.1")
        for text in presentations:
            if wanted.format == MDOC:
                documents = mdoc.verify(text, binding, trusted, now)
                if len(documents) != 1:  # HAIP 1.0, 5.3.1: each in a DeviceResponse of its own
                    raise NotWhatWasAsked(rule="one-document", query=name, clause="HAIP 1.0 5.3.1")
                found.append((name, documents[0]))
            else:
                needs = wanted.require_cryptographic_holder_binding
                found.append((name, sdjwt.verify(text, binding, trusted, now, needs_holder=needs)))
    return found


def kept(query: Query, found: Iterable[tuple[str, Shown, Said]]) -> tuple[Credential, ...]:
    """What the institution gets: matched against the query, and no claim more (laws 3 and 4; OpenID4VP 8.6, 2b and 3).

    Raises NotWhatWasAsked.
    """
    by_id = {credential.id: credential for credential in query.credentials}
    made: list[Credential] = []
    for name, shown, said in found:
        claims: tuple[Claim, ...] = dcql.match(by_id[name], shown)
        made.append(Credential(name, shown.format, shown.kind, shown.issuer, said, claims))
    dcql.satisfied(query, [credential.query_id for credential in made])
    return tuple(made)


def authorised(asked: Asked, found: Iterable[tuple[str, Shown]]) -> None:
    """Nothing, if every transaction was authorised by one of the credentials that may do so (OpenID4VP 8.4, B.3.3).

    Raises NotForThisRequest.
    """
    signed = [(name, set(shown.transaction_hashes)) for name, shown in found]
    for text in asked.transaction_data:
        digest = to_base64url(hashlib.sha256(text.encode()).digest())
        allowed = msgspec.json.decode(from_base64url(text))["credential_ids"]
        if not any(digest in hashes and name in allowed for name, hashes in signed):
            raise NotForThisRequest(
                "A transaction was not authorised.", rule="transaction_data", clause="OpenID4VP 8.4"
            )


def after_failure(row: Row) -> State:
    """The state after one more answer that was not accepted: too many end the request, so that nobody guesses on."""
    return State.FAILED if row.tries + 1 >= MOST_TRIES else State.OPEN


def after_answer(asked: Asked, device: Device) -> State:
    """Whether an answer may be collected at once, or waits for the session that asked (law 6)."""
    at_once = device is Device.OTHER and asked.across is Across.COUNTER
    return State.ANSWERED if at_once else State.SHOWN


def may_confirm(row: Row, session: bytes, code: bytes, device: Device, now: int) -> None:
    """Nothing, if this is the session that asked, coming back with the secret of this answer (law 6).

    `session` and `code` are hashes. Raises RequestEnded, OtherSession, WrongNumber.
    """
    if row.state is not State.SHOWN or row.device != device.value or now >= row.asked.expires_at + ANSWER_KEPT_S:
        raise RequestEnded()
    if not row.session or not hmac.compare_digest(row.session, session):
        raise OtherSession()
    if not row.code or not hmac.compare_digest(row.code, code):
        raise WrongNumber() if device is Device.OTHER else OtherSession()


def state_now(row: Row, now: int) -> State:
    """The state as it is told: what nobody answered in time has expired."""
    waiting = row.state is State.OPEN and now >= row.asked.expires_at
    waiting = waiting or (row.state is State.SHOWN and now >= row.asked.expires_at + ANSWER_KEPT_S)
    return State.EXPIRED if waiting else row.state


def formats_of(query: Query) -> str:
    """The formats that a query asks for, for the log."""
    return " ".join(sorted({credential.format for credential in query.credentials}))


def refusal_reason(refusal: Refused) -> str:
    """What is kept of a refusal: its code and rule, nothing of what was sent."""
    rule: Any = refusal.facts.get("rule", "")
    return f"{refusal.code} {rule}".strip()
