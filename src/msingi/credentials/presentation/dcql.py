"""The Digital Credentials Query Language (OpenID4VP 1.0, sections 6 and 7): reading a query, and checking answers.

Pure. The wallet evaluates the query too, but nothing here relies on it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from msingi.credentials.presentation.errors import NotWhatWasAsked, QueryMalformed
from msingi.credentials.presentation.model import (
    MDOC,
    SD_JWT,
    Authorities,
    Claim,
    ClaimQuery,
    CredentialQuery,
    PathPart,
    Query,
    Shown,
)
from msingi.credentials.presentation.wire import from_base64url

ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
MOST_CREDENTIALS, MOST_CLAIMS, MOST_DEPTH = 20, 100, 12
FORMATS = (SD_JWT, MDOC)


def read(told: Mapping[str, Any]) -> Query:
    """The query in a JSON object. Unknown members are ignored (6).

    Raises QueryMalformed, naming the member and the rule.
    """
    try:
        query = msgspec.convert(told, Query)
    except (msgspec.ValidationError, RecursionError) as wrong:
        rule = str(wrong)[:120] or "JSON"
        raise QueryMalformed(f"dcql_query: {rule}", field="dcql_query", rule=rule) from None
    _need(0 < len(query.credentials) <= MOST_CREDENTIALS, "credentials", f"1 to {MOST_CREDENTIALS} entries")
    ids = [credential.id for credential in query.credentials]
    _need(len(set(ids)) == len(ids), "credentials.id", "distinct")
    for credential in query.credentials:
        _check_credential(credential)
    if query.credential_sets is not UNSET:
        _need(bool(query.credential_sets), "credential_sets", "not empty")
        for options in (s.options for s in query.credential_sets):
            _need(bool(options) and all(options), "credential_sets.options", "not empty")
            _need(
                {i for option in options for i in option} <= set(ids), "credential_sets.options", "ids of credentials"
            )
    return query


def _need(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise QueryMalformed(f"{field}: {rule}", field=field, rule=rule)


def _check_credential(query: CredentialQuery) -> None:
    """6.1, and the rules of the two formats (B.2.3, B.2.4, B.3.5)."""
    _need(bool(ID.fullmatch(query.id)), "credentials.id", "letters, digits, '_' and '-'")
    _need(query.format in FORMATS, "credentials.format", " or ".join(FORMATS))
    if query.format == SD_JWT:
        kinds = query.meta.get("vct_values")
        listed = isinstance(kinds, list) and bool(kinds) and all(isinstance(k, str) and k for k in kinds)
        _need(listed, "meta.vct_values", "a list of types that is not empty")
    else:
        _need(isinstance(query.meta.get("doctype_value"), str), "meta.doctype_value", "a doctype")
        _need(query.require_cryptographic_holder_binding, "require_cryptographic_holder_binding", "true for an mdoc")
    if query.trusted_authorities is not UNSET:
        _need(bool(query.trusted_authorities), "trusted_authorities", "not empty")
        for authority in query.trusted_authorities:
            # The other types need a list or a federation that this verifier does not follow: a check that cannot
            # be made is not promised.
            _need(authority.type == "aki", "trusted_authorities.type", "aki")
            _need(bool(authority.values), "trusted_authorities.values", "not empty")
            _need(all(map(_is_base64url, authority.values)), "trusted_authorities.values", "base64url")
    claims = () if query.claims is UNSET else query.claims
    _need(query.claims is UNSET or 0 < len(claims) <= MOST_CLAIMS, "claims", f"1 to {MOST_CLAIMS} entries")
    for claim in claims:
        _check_claim(claim, query.format)
    _need(len({c.path for c in claims}) == len(claims), "claims.path", "each claim once")
    named = [c.id for c in claims if c.id]
    _need(len(set(named)) == len(named), "claims.id", "distinct")
    if query.claim_sets is not UNSET:
        _need(bool(claims), "claim_sets", "only together with claims")
        _need(bool(query.claim_sets) and all(query.claim_sets), "claim_sets", "not empty")
        _need(len(named) == len(claims), "claims.id", "present where there are claim_sets")
        _need({i for option in query.claim_sets for i in option} <= set(named), "claim_sets", "ids of claims")


def _check_claim(claim: ClaimQuery, format_: str) -> None:
    """6.3 and 7."""
    _need(not claim.id or bool(ID.fullmatch(claim.id)), "claims.id", "letters, digits, '_' and '-'")
    _need(0 < len(claim.path) <= MOST_DEPTH, "claims.path", f"1 to {MOST_DEPTH} parts")
    _need(all(p is None or isinstance(p, str) or p >= 0 for p in claim.path), "claims.path", "no negative index")
    _need(isinstance(claim.path[0], str), "claims.path", "begins with a name")
    _need(claim.values is UNSET or bool(claim.values), "claims.values", "not empty")
    if format_ == MDOC:
        whole = len(claim.path) == 2 and all(isinstance(p, str) for p in claim.path)
        _need(whole, "claims.path", "namespace and element for an mdoc")
    else:
        _need(claim.intent_to_retain is UNSET, "claims.intent_to_retain", "only for an mdoc")


def _is_base64url(text: str) -> bool:
    try:
        return bool(from_base64url(text))
    except ValueError:
        return False


def select(claims: Any, path: Sequence[PathPart]) -> list[Any]:
    """The values at a claims path pointer in a JSON object (7.1.1), none if processing it would end in an error.

    For an mdoc `claims` is namespace -> element -> value, where the two-part pointer means the same (7.2.1).
    """
    chosen = [claims]
    for part in path:
        following: list[Any] = []
        for item in chosen:
            if isinstance(part, str):
                if not isinstance(item, Mapping):
                    return []
                if part in item:
                    following.append(item[part])
            elif not isinstance(item, list):
                return []
            elif part is None:
                following.extend(item)
            elif part < len(item):
                following.append(item[part])
        chosen = following
    return chosen


def _same(a: Any, b: Any) -> bool:
    """Type and value both match exactly (6.3): 1 is not true, and not 1.0."""
    return type(a) is type(b) and a == b


def fits(claim: ClaimQuery, claims: Any) -> bool:
    """Whether the claim is there, and with an expected value if the query names some (law 4)."""
    found = select(claims, claim.path)
    if not found:
        return False
    return claim.values is UNSET or any(_same(value, wanted) for value in found for wanted in claim.values)


def chosen_claims(query: CredentialQuery, claims: Any) -> tuple[ClaimQuery, ...] | None:
    """The claims that this credential satisfies the query with (6.4.1), the most preferred set; None if it does not."""
    if query.claims is UNSET:
        return ()
    if query.claim_sets is UNSET:
        return query.claims if all(fits(claim, claims) for claim in query.claims) else None
    by_id = {claim.id: claim for claim in query.claims}
    for option in query.claim_sets:
        wanted = tuple(by_id[name] for name in option)
        if all(fits(claim, claims) for claim in wanted):
            return wanted
    return None


def match(query: CredentialQuery, shown: Shown) -> tuple[Claim, ...]:
    """The claims of `shown` that answer `query`, and no others (law 3).

    Raises NotWhatWasAsked, naming the rule.
    """
    wrong = NotWhatWasAsked
    if shown.format != query.format:
        raise wrong(rule="format", query=query.id, clause="OpenID4VP 6.1")
    allowed = query.meta["vct_values"] if query.format == SD_JWT else [query.meta["doctype_value"]]
    if not set(shown.kinds) & set(allowed):
        raise wrong(rule="type", query=query.id, clause="OpenID4VP B.2.3, B.3.5")
    if query.require_cryptographic_holder_binding and not shown.bound:
        raise wrong(rule="holder-binding", query=query.id, clause="OpenID4VP 6.1")
    if query.trusted_authorities is not UNSET and not _authorised(query.trusted_authorities, shown.akis):
        raise wrong(rule="trusted-authorities", query=query.id, clause="OpenID4VP 6.1.1.1")
    chosen = chosen_claims(query, shown.claims)
    if chosen is None:
        raise wrong(rule="claims", query=query.id, clause="OpenID4VP 6.4.1")
    return tuple(Claim(c.path, _value(c, shown.claims)) for c in chosen)


def _authorised(authorities: Iterable[Authorities], akis: tuple[bytes, ...]) -> bool:
    return any(from_base64url(value) in akis for authority in authorities for value in authority.values)


def _value(claim: ClaimQuery, claims: Any) -> Any:
    """The value at the path; of several, those that the query wanted."""
    found = select(claims, claim.path)
    if claim.values is not UNSET:
        found = [v for v in found if any(_same(v, wanted) for wanted in claim.values)]
    return found if None in claim.path else found[0]


def satisfied(query: Query, answered: Iterable[str]) -> None:
    """Nothing, if the credentials with these ids are what the query wants (6.4.2).

    Raises NotWhatWasAsked.
    """
    have = set(answered)
    if query.credential_sets is UNSET:
        missing = {credential.id for credential in query.credentials} - have
        if missing:
            raise NotWhatWasAsked(rule="credentials", query=min(missing), clause="OpenID4VP 6.4.2")
        return
    for number, wanted in enumerate(query.credential_sets):
        if wanted.required and not any(set(option) <= have for option in wanted.options):
            raise NotWhatWasAsked(rule="credential-sets", set=number, clause="OpenID4VP 6.4.2")
