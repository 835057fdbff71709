"""What the issuer says of itself: its metadata, signed too, the metadata of types, and its keys and certificates."""

import base64
from typing import Any

import msgspec

from msingi.credentials.forms import jose
from msingi.credentials.forms.model import Format
from msingi.credentials.issuance import certificates, encryption, kinds, proofs
from msingi.credentials.issuance.kinds import AUDIENCE
from msingi.credentials.issuance.model import ClaimKind, ClaimRule, Kind
from msingi.kernel.stack import Stack

TYP_SIGNED = "openidvci-issuer-metadata+jwt"
MAX_BATCH = 20


def _display(texts: dict[str, str], **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "locale": language, **more} for language, name in texts.items()]


def _claim(claim: ClaimRule, form: Format) -> dict[str, Any] | None:
    path: list[str | None] = list(claim.path)
    if form is Format.MDOC:
        if not claim.element:
            return None
        path = list(claim.element)
    elif form is Format.VC_JWT:
        path = ["credentialSubject", *path]
    return {"path": path, "mandatory": claim.required, "display": _display(claim.name)}


def configuration(stack: Stack, kind: Kind, form: Format) -> dict[str, Any]:
    """One credential configuration (OpenID4VCI 1.0, section 12.2.4 and appendix A)."""
    algorithms: dict[str, Any] = {"proof_signing_alg_values_supported": list(proofs.algorithms(form))}
    if kind.key_storage or kind.haip:
        levels = {"key_storage": list(kind.key_storage)} if kind.key_storage else {}
        algorithms["key_attestations_required"] = levels
    colour = {"background_color": kind.colour, "text_color": "#ffffff"} if kind.colour else {}
    found: dict[str, Any] = {
        "format": form.value,
        "scope": kind.configuration(form),
        "cryptographic_binding_methods_supported": ["cose_key" if form is Format.MDOC else "jwk"],
        "credential_signing_alg_values_supported": [-7 if form is Format.MDOC else "ES256"],
        "proof_types_supported": {
            "jwt": algorithms,
            "attestation": {**algorithms, "proof_signing_alg_values_supported": ["ES256"]},
        },
        "credential_metadata": {
            "display": _display(kind.name, **colour),
            "claims": [told for claim in kind.claims if (told := _claim(claim, form))],
        },
    }
    if form is Format.SD_JWT:
        found["vct"] = kinds.vct(stack, kind)
    elif form is Format.MDOC:
        found["doctype"] = kind.doctype
    else:
        found["credential_definition"] = {"type": ["VerifiableCredential", *kind.types]}
    return found


async def issuer_metadata(stack: Stack) -> dict[str, Any]:
    """The credential issuer's metadata (OpenID4VCI 1.0, section 12.2.4)."""
    url, profile = stack.settings.url, stack.profile
    known = await kinds.known(stack)
    return {
        "credential_issuer": url,
        "authorization_servers": [url],
        "credential_endpoint": f"{url}{AUDIENCE}/credential",
        "nonce_endpoint": f"{url}{AUDIENCE}/nonce",
        "deferred_credential_endpoint": f"{url}{AUDIENCE}/deferred",
        "notification_endpoint": f"{url}{AUDIENCE}/notification",
        "credential_request_encryption": {
            "jwks": {"keys": [encryption.public(stack)]},
            "enc_values_supported": list(encryption.ENCODINGS),
            "encryption_required": False,
        },
        "credential_response_encryption": {
            "alg_values_supported": [encryption.ALGORITHM],
            "enc_values_supported": list(encryption.ENCODINGS),
            "encryption_required": False,
        },
        "batch_credential_issuance": {"batch_size": max([k.batch for k in known.by_name.values()] or [MAX_BATCH])},
        "display": _display(profile.authority.name),
        "credential_configurations_supported": {
            name: configuration(stack, kind, form) for name, (kind, form) in sorted(known.by_configuration.items())
        },
    }


def signed(stack: Stack, metadata: dict[str, Any], now: int) -> str:
    """The metadata as a JWT with the issuer's certificate (section 12.2.3)."""
    issuer = certificates.issuer(stack)
    header = jose.header(issuer.signer, TYP_SIGNED, issuer.x5c)
    payload = {"iss": stack.settings.url, "sub": stack.settings.url, "iat": now, **metadata}
    return jose.compact(header, msgspec.json.encode(payload), issuer.signer)


def type_metadata(stack: Stack, kind: Kind) -> dict[str, Any]:
    """The type of the kind's SD-JWT VCs (SD-JWT VC, draft 19, section 4)."""
    colours = {"background_color": kind.colour, "text_color": "#ffffff"} if kind.colour else {}
    return {
        "vct": kinds.vct(stack, kind),
        "name": stack.profile.say(kind.name, "en"),
        "display": [
            {"locale": language, "name": name, **({"rendering": {"simple": colours}} if colours else {})}
            for language, name in kind.name.items()
        ],
        "claims": [entry for claim in kind.claims for entry in _type_claims(claim)],
    }


def _type_claims(claim: ClaimRule) -> list[dict[str, Any]]:
    label = [{"locale": language, "label": name} for language, name in claim.name.items()]
    sd = "always" if claim.hidden else "never"
    own = {"path": list(claim.path), "display": label, "sd": sd, "mandatory": claim.required}
    if claim.kind is not ClaimKind.LIST:
        return [own]
    return [own, {"path": [*claim.path, None], "sd": "always"}]


def issuer_keys(stack: Stack) -> dict[str, Any]:
    """JWT VC Issuer Metadata (SD-JWT VC, draft 19, section 5): the keys of all versions that still verify."""
    return {"issuer": stack.settings.url, "jwks": {"keys": stack.keys.public(certificates.KEY)}}


async def trust(stack: Stack) -> dict[str, Any]:
    """What verifiers fetch once and keep: anchors and document signers as base64 of their DER."""
    known = await certificates.anchors(stack)
    return {
        "issuer": stack.settings.url,
        "roots": [base64.b64encode(der).decode() for der in known.roots],
        "document_signers": [base64.b64encode(der).decode() for der in known.signers],
        "revocations": f"{stack.settings.url}/credentials/trust/root.crl",
        "status_lists": f"{stack.settings.url}/credentials/status",
    }
