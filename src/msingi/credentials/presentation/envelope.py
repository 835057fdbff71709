"""Request objects going out, encrypted responses coming in (RFC 9101; OpenID4VP 1.0, 5 and 8.3; RFC 7516).

Pure but for the making of the key that belongs to one request.
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from msingi.credentials.presentation.errors import NotEncrypted, Unreadable
from msingi.credentials.presentation.model import Asked, Binding, Device, Identify, Mode, Query
from msingi.credentials.presentation.wire import from_base64url, json_of, to_base64url
from msingi.kernel.keys import Signer

TYP = "oauth-authz-req+jwt"
MEDIA = f"application/{TYP}"
AUDIENCE = "https://self-issued.me/v2"  # OpenID4VP 5.8: static discovery
ENC = ("A128GCM", "A256GCM")  # HAIP 1.0, 5
SCHEMES = {"openid4vp": "openid4vp://", "haip": "haip-vp://"}
_IN_BROWSER = {Mode.PLAIN: "dc_api", Mode.ENCRYPTED: "dc_api.jwt"}
_MEMBERS = ("alg", "enc", "kid", "epk", "apu", "apv", "typ", "cty")
_registry = jwe.JWERegistry(algorithms=["ECDH-ES", *ENC], strict_check_header=False)
FORMATS = {
    "dc+sd-jwt": {"sd-jwt_alg_values": ["ES256", "EdDSA"], "kb-jwt_alg_values": ["ES256", "EdDSA"]},
    "mso_mdoc": {"issuerauth_alg_values": [-7, -9], "deviceauth_alg_values": [-7, -9]},
}


def new_key() -> tuple[dict[str, str], bytes]:
    """A P-256 key for one response: the public JWK with its thumbprint as `kid`, and the private one as JSON."""
    key = ECKey.generate_key("P-256", private=True)
    kid = key.thumbprint()
    public = {
        name: str(value) for name, value in key.as_dict(private=False).items() if name in ("kty", "crv", "x", "y")
    }
    public |= {"kid": kid, "use": "enc", "alg": "ECDH-ES"}
    return public, msgspec.json.encode(key.as_dict(private=True))


def binding_of(asked: Asked, device: Device) -> Binding:
    """What an answer from this device must be bound to."""
    encrypted = asked.mode is not Mode.PLAIN
    return Binding(
        client_id=client_id_on(asked, device),
        nonce=asked.nonce,
        response_uri=response_uri(asked, device),
        thumbprint=from_base64url(asked.encryption_jwk["kid"]) if encrypted else None,
        asked_at=asked.asked_at,
        transaction_data=asked.transaction_data,
        origin=origin(asked) if device is Device.BROWSER else "",
    )


def origin(asked: Asked) -> str:
    """The origin of the page, to which the browser holds an answer over the Digital Credentials API (A.4)."""
    there = urlsplit(asked.response_uri)
    return f"{there.scheme}://{there.netloc}"


def response_uri(asked: Asked, device: Device) -> str:
    """Where a wallet on this device answers."""
    return f"{asked.response_uri}/{device.value}"


def client_id_on(asked: Asked, device: Device) -> str:
    """The client identifier; of an unsigned request it is the response address itself (5.9.3)."""
    if asked.prefix is Identify.REDIRECT_URI:
        return f"redirect_uri:{response_uri(asked, device)}"
    return asked.client_id


def query_json(query: Query) -> dict[str, Any]:
    """The query as it was asked, without what this verifier does not know."""
    return msgspec.to_builtins(query)


def parameters(asked: Asked, device: Device) -> dict[str, Any]:
    """The authorization request's parameters (OpenID4VP 5)."""
    metadata: dict[str, Any] = {"vp_formats_supported": FORMATS, "client_name": asked.asker.name}
    if asked.mode is not Mode.PLAIN:
        metadata["jwks"] = {"keys": [asked.encryption_jwk]}
        metadata["encrypted_response_enc_values_supported"] = list(ENC)
    told: dict[str, Any] = {
        "response_type": "vp_token",
        "client_id": client_id_on(asked, device),
        "response_mode": asked.mode.value,
        "response_uri": response_uri(asked, device),
        "nonce": asked.nonce,
        "dcql_query": query_json(asked.query),
        "client_metadata": metadata,
    }
    if asked.transaction_data:
        told["transaction_data"] = list(asked.transaction_data)
    if device is Device.BROWSER:
        told["response_mode"] = _IN_BROWSER[asked.mode]
        del told["response_uri"]
        if asked.prefix is Identify.REDIRECT_URI:
            del told["client_id"]  # an unsigned request names nobody but the origin (A.2)
        else:
            told["expected_origins"] = [origin(asked)]
    return told


def browser_request(asked: Asked, signer: Signer) -> dict[str, Any]:
    """The request as the Digital Credentials API takes it: its protocol, and its data (A.1 to A.3)."""
    if asked.prefix is Identify.REDIRECT_URI:
        return {"protocol": protocol(asked), "data": parameters(asked, Device.BROWSER)}
    return {"protocol": protocol(asked), "data": {"request": request_object(asked, Device.BROWSER, signer)}}


def protocol(asked: Asked) -> str:
    """The name of the exchange, of this version of the standard."""
    return f"openid4vp-v1-{'unsigned' if asked.prefix is Identify.REDIRECT_URI else 'signed'}"


def request_object(asked: Asked, device: Device, signer: Signer, wallet_nonce: str = "") -> str:
    """The signed request object (RFC 9101, 4; OpenID4VP 5.10): a compact JWS, `x5c` without the anchor (HAIP 5.1)."""
    claims = parameters(asked, device) | {"aud": AUDIENCE, "iat": asked.asked_at, "exp": asked.expires_at}
    if wallet_nonce:
        claims["wallet_nonce"] = wallet_nonce
    header = {"alg": "ES256", "typ": TYP, "x5c": [asked.certificate]}
    signed = ".".join(to_base64url(msgspec.json.encode(part)) for part in (header, claims))
    return f"{signed}.{to_base64url(signer.sign(signed.encode()))}"


def client_id(prefix: Identify, certificate: bytes, host: str) -> str:
    """The verifier's full identifier for a signed request (5.9.3); empty for an unsigned one, which has its own."""
    if prefix is Identify.X509_HASH:
        return f"x509_hash:{to_base64url(hashlib.sha256(certificate).digest())}"
    return f"x509_san_dns:{host}" if prefix is Identify.X509_SAN_DNS else ""


def wallet_link(asked: Asked, device: Device, scheme: str = "openid4vp") -> str:
    """What opens a wallet (5.4, 9): a reference to the request object, or all parameters of an unsigned request."""
    if asked.prefix is Identify.REDIRECT_URI:
        plain = parameters(asked, device)
        told = {k: v if isinstance(v, str) else msgspec.json.encode(v).decode() for k, v in plain.items()}
    else:
        where = response_uri(asked, device) + "/request"
        told = {"client_id": asked.client_id, "request_uri": where, "request_uri_method": "post"}
    return f"{SCHEMES[scheme]}?{urlencode(told)}"


def opened(response: str, private: bytes) -> dict[str, Any]:
    """The content of an encrypted response (8.3): a compact JWE for this request's key, by ECDH-ES and AES-GCM.

    Raises NotEncrypted for another key, another algorithm or a wrong tag, Unreadable for rubbish.
    """
    parts = response.split(".")
    if len(parts) != 5 or not all(map(_is_canonical, parts)):
        raise Unreadable("The response is not a compact JWE.", rule="jwe-compact", clause="RFC 7516 7.1")
    header = json_of(from_base64url(parts[0]), "The header of the response")
    if not isinstance(header, dict) or not header.keys() <= set(_MEMBERS):
        raise NotEncrypted("The header has members that are not allowed.", rule="jwe-header", clause="RFC 7516 4.1")
    if header.get("alg") != "ECDH-ES" or header.get("enc") not in ENC:
        raise NotEncrypted("Another encryption than offered.", rule="jwe-alg-enc", clause="OpenID4VP 8.3")
    key = ECKey.import_key(msgspec.json.decode(private))
    if header.get("kid") != key.thumbprint():
        raise NotEncrypted("It is encrypted for another key.", rule="kid", clause="OpenID4VP 8.3")
    try:
        plain = jwe.decrypt_compact(response, key, registry=_registry).plaintext
    except (JoseError, ValueError, TypeError, KeyError):
        raise NotEncrypted("It cannot be decrypted.", rule="jwe-decrypt", clause="RFC 7516 5.2") from None
    content = json_of(plain or b"", "The response")
    if not isinstance(content, dict):
        raise Unreadable("The response is not a JSON object.", rule="json", clause="OpenID4VP 8.3")
    return content


def _is_canonical(text: str) -> bool:
    try:
        from_base64url(text)
    except ValueError:
        return False
    return True


def tokens_of(value: Any) -> Mapping[str, list[str]]:
    """The presentations of a VP token by the ids of the query (8.1). Raises Unreadable."""
    right = isinstance(value, dict) and bool(value)
    right = right and all(
        isinstance(one, list) and one and all(isinstance(t, str) for t in one) for one in value.values()
    )
    if not right:
        raise Unreadable("The VP token is not a map of lists of texts.", rule="vp_token", clause="OpenID4VP 8.1")
    return value
