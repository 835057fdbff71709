"""The kinds in force on one stack: those of the country profile, and those that institutions proposed and others
approved."""

import re
import time
from typing import Any

import msgspec

from msingi.countries import Profile
from msingi.credentials.errors import Unreadable
from msingi.credentials.forms.model import Format
from msingi.credentials.forms.sdjwt import NEVER_HIDDEN
from msingi.credentials.issuance import facts, store
from msingi.credentials.issuance.errors import KindWrong, NoSuchKind
from msingi.credentials.issuance.model import ClaimKind, ClaimRule, Kind
from msingi.kernel.stack import Stack
from msingi.signin.provider import extend

AUDIENCE = "/oid4vci"
"""The path of the doors that an access token for credentials opens."""
_REMEMBERED_S = 5.0
_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_LEVELS = {"iso_18045_high", "iso_18045_moderate", "iso_18045_enhanced-basic", "iso_18045_basic"}
MAX_CLAIMS, MAX_BATCH, MAX_COPY_DAYS = 60, 100, 366


class Known(msgspec.Struct):
    """The kinds by name and by configuration id, read again after a few seconds; `until` on the monotonic clock."""

    until: float
    by_name: dict[str, Kind]
    by_configuration: dict[str, tuple[Kind, Format]]


def of_profile(profile: Profile) -> list[Kind]:
    """The kinds that a country's `credentials.toml` describes. Raises KindWrong, naming the kind in its detail."""
    found = []
    for described in profile.credentials:
        kind = read(described)
        lacking = mistakes(kind, profile)
        if lacking:
            raise KindWrong(f"{kind.kind}: {lacking[0]}", field=kind.kind, rule=lacking[0])
        found.append(kind)
    return found


def read(described: dict[str, Any]) -> Kind:
    """A description as a Kind. Raises KindWrong, naming the member."""
    try:
        return msgspec.convert(described, Kind, strict=False)
    except msgspec.ValidationError as wrong:
        raise KindWrong(str(wrong), field="description", rule=str(wrong)) from None


def mistakes(kind: Kind, profile: Profile) -> list[str]:
    """Every rule that a description breaks, as sentences; an empty list for a good one."""
    wrong = []
    if not _NAME.fullmatch(kind.kind):
        wrong.append("kind: 2 to 40 small letters, digits and hyphens, beginning with a letter")
    if kind.institution not in {m.code for m in profile.institutions}:
        wrong.append("institution: names no institution of the country")
    if not 1 <= kind.copy_days <= MAX_COPY_DAYS or not 0 <= kind.years <= 100:
        wrong.append(f"copy_days: 1 to {MAX_COPY_DAYS}; years: 0 to 100")
    if not 2 <= kind.batch <= MAX_BATCH:
        wrong.append(f"batch: 2 to {MAX_BATCH}")
    if not kind.formats or len(set(kind.formats)) != len(kind.formats):
        wrong.append("formats: at least one, each once")
    if not 1 <= len(kind.claims) <= MAX_CLAIMS or len({c.path for c in kind.claims}) != len(kind.claims):
        wrong.append(f"claims: 1 to {MAX_CLAIMS}, each path once")
    if Format.MDOC in kind.formats and (not kind.doctype or not any(c.element for c in kind.claims)):
        wrong.append("doctype, element: an mdoc needs a document type and at least one claim with an element")
    if Format.VC_JWT in kind.formats and not kind.types:
        wrong.append("types: a W3C credential needs a type besides VerifiableCredential")
    if set(kind.key_storage) - _LEVELS:
        wrong.append(f"key_storage: one of {', '.join(sorted(_LEVELS))}")
    if kind.haip and Format.VC_JWT in kind.formats:
        wrong.append("haip: the profile has dc+sd-jwt and mso_mdoc, and no jwt_vc_json")
    if kind.open and any(c.source == "institution" and c.required for c in kind.claims):
        wrong.append("open: a kind that people take by themselves needs no value from an institution")
    wrong += [f"name: lacks the language {lang}" for lang in profile.languages if lang not in kind.name]
    for claim in kind.claims:
        wrong += [f"claims.{claim.key}.{what}" for what in _claim_mistakes(claim, profile)]
    return wrong


def _claim_mistakes(claim: ClaimRule, profile: Profile) -> list[str]:
    wrong = []
    if not 1 <= len(claim.path) <= 3 or not all(_MEMBER.fullmatch(part) for part in claim.path):
        wrong.append("path: 1 to 3 names of letters, digits and underscores")
    elif claim.path[0] in NEVER_HIDDEN | {"_sd", "_sd_alg", "iat", "sub"}:
        wrong.append("path: the name is used by the credential itself")
    if claim.source != "institution" and claim.source not in facts.SOURCES:
        wrong.append(f"source: institution, or one of {', '.join(sorted(facts.SOURCES))}")
    if len(claim.element) not in (0, 2):
        wrong.append("element: a namespace and a name, or nothing")
    if claim.kind is ClaimKind.TABLE and not claim.members:
        wrong.append("members: a table names the members of its rows")
    if claim.choices and claim.kind not in (ClaimKind.TEXT, ClaimKind.LIST):
        wrong.append("choices: for texts and lists of texts")
    wrong += [f"name: lacks the language {lang}" for lang in profile.languages if lang not in claim.name]
    return wrong


async def known(stack: Stack) -> Known:
    """All kinds in force; a change made by another process is seen within some five seconds."""
    held: Any = stack.local.get("credentials.kinds")
    if held is None or held.until < time.monotonic():
        if held is not None:  # whoever comes meanwhile goes on with what is known, and does not ask as well
            held.until = time.monotonic() + _REMEMBERED_S
        async with stack.db.reading("credentials") as tx:
            described = await store.kinds_in_force(tx)
        kinds = {k.kind: k for k in [*map(read, described), *of_profile(stack.profile)]}
        configurations = {k.configuration(form): (k, form) for k in kinds.values() for form in k.formats}
        held = Known(time.monotonic() + _REMEMBERED_S, kinds, configurations)
        stack.local["credentials.kinds"] = held
        _tell_scopes(stack, held)
    return held


def _tell_scopes(stack: Stack, known: Known) -> None:
    """A scope for every configuration (HAIP 1.0, section 4.1), and none for a kind that is no longer in force."""
    more = extend.of(stack)
    more.forget_scopes({name for name, scope in more.scopes.items() if scope.audience == AUDIENCE})
    for name, (kind, _) in known.by_configuration.items():
        more.add(extend.Scope(name=name, audience=AUDIENCE, title=kind.name, open=True, fapi=kind.haip))


def forget(stack: Stack) -> None:
    """Read the kinds again when they are needed next."""
    stack.local.pop("credentials.kinds", None)


async def named(stack: Stack, kind: str) -> Kind:
    """The kind with this name. Raises NoSuchKind."""
    found = (await known(stack)).by_name.get(kind)
    if found is None:
        raise NoSuchKind()
    return found


def vct(stack: Stack, kind: Kind) -> str:
    """The type of the kind's SD-JWT VCs, which is also where its type metadata stands."""
    return f"{stack.settings.url}/credentials/types/{kind.kind}"


def picture(raw: Any, field: str) -> bytes:
    """The bytes of a picture from a form (bytes) or from JSON (base64). Raises Unreadable."""
    from base64 import b64decode

    try:
        return raw if isinstance(raw, bytes) else b64decode(str(raw), validate=True)
    except ValueError:
        raise Unreadable("The picture is not base64.", rule="picture", field=field) from None
