"""A whole consumer of the exchange in one file: Python 3.9 or later and the package `cryptography`, nothing else.

Copy it, read it, change it. It signs a request with the institution's key (RFC 9421, Ed25519), sends it, and believes
the answer only if the exchange signed it for exactly this request.

    python msingi_client.py FOLDER SERVICE PERSON PURPOSE

FOLDER holds exchange.json, which `msingi join apply` writes: the address and the public keys of the exchange, the
institution's own name and its private key. Without `msingi`, write it by hand; docs/how-to/join-as-an-institution.md
shows every member.
"""

import base64
import hashlib
import json
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

COVERED = ("@method", "@authority", "@path", "@query", "content-digest", "x-road-client", "x-road-id")
ALSO = ("content-type", "msingi-basis", "msingi-fields", "msingi-purpose")
TAG = "msingi-exchange"


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def digest(body):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"


def signed(known, method, path, query="", body=b"", headers=None):
    """The address and the header fields of a signed request; `path` is percent-encoded."""
    url = urlsplit(known["exchange"])
    fields = {
        "content-digest": digest(body),
        "x-road-client": known["client"],
        "x-road-id": str(uuid.uuid4()),
        **(headers or {}),
    }
    names = [*COVERED, *(name for name in ALSO if name in fields)]
    values = {
        "@method": method,
        "@authority": url.netloc.lower(),
        "@path": path,
        "@query": "?" + query,
        **fields,
    }
    items = " ".join(f'"{name}"' for name in names)
    what = f'({items});created={int(time.time())};keyid="{known["key"]["kid"]}";alg="ed25519";tag="{TAG}"'
    base = "\n".join([*(f'"{name}": {values[name]}' for name in names), f'"@signature-params": {what}'])
    mark = Ed25519PrivateKey.from_private_bytes(b64url(known["key"]["d"])).sign(base.encode())
    fields["signature-input"] = f"msingi={what}"
    fields["signature"] = f"msingi=:{base64.b64encode(mark).decode()}:"
    return f"{url.scheme}://{url.netloc}{path}" + (f"?{query}" if query else ""), fields


def verified(known, method, path, query, asked, status, answer, body):
    """Raise ValueError unless the exchange signed this answer to this request."""
    what = answer.get("signature-input", "").partition("=")[2]
    covered = re.findall(r'"([^"]+)"((?:;req|;key="[^"]*")*)(?=[ )])', what.partition(")")[0] + ")")
    needed = {("@status", ""), ("content-digest", ""), ("x-road-id", ""), ("@path", ";req"), ("@query", ";req")}
    needed |= {("@method", ";req"), ("signature", ';req;key="msingi"')}
    if not needed <= set(covered) or f'tag="{TAG}"' not in what:
        raise ValueError("the answer is not signed as it must be")
    request = {"@method": method, "@path": path, "@query": "?" + query, "signature": asked["signature"][7:]}
    values = {"@status": str(status), **answer}
    lines = [f'"{name}"{how}: {request[name] if how.startswith(";req") else values[name]}' for name, how in covered]
    base = "\n".join([*lines, f'"@signature-params": {what}'])
    kid = re.search(r'keyid="([^"]*)"', what)
    key = next((k for k in known["exchange_keys"] if kid and k["kid"] == kid[1]), None)
    if key is None:
        raise ValueError("the answer is signed by a key that is not the exchange's")
    mark = base64.b64decode(answer["signature"].partition("=")[2].strip(":"))
    Ed25519PublicKey.from_public_bytes(b64url(key["x"])).verify(mark, base.encode())
    created = re.search(r"created=(\d+)", what)
    if answer["content-digest"] != digest(body) or answer["x-road-id"] != asked["x-road-id"]:
        raise ValueError("the answer has another body, or is to another message")
    if created is None or abs(time.time() - int(created[1])) > 300:
        raise ValueError("the answer is old, or a clock is wrong")


def ask(known, service, person, purpose, basis="", fields=""):
    """Status, media type and body of a verified answer of SERVICE ("XT/GOV/rita/identity/person-facts")."""
    path = "/r1/" + "/".join(quote(part, safe="") for part in [*service.split("/"), *([person] if person else [])])
    named = {"msingi-purpose": purpose, "msingi-basis": basis, "msingi-fields": fields}
    address, headers = signed(known, "GET", path, headers={n: v for n, v in named.items() if v})
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as got:
            status, answer, body = got.status, got.headers, got.read()
    except urllib.error.HTTPError as no:
        status, answer, body = no.code, no.headers, no.read()
    told = {name.lower(): value for name, value in answer.items()}
    verified(known, "GET", path, "", headers, status, told, body)
    return status, told.get("content-type", ""), body


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    membership = json.loads((Path(sys.argv[1]) / "exchange.json").read_text("utf-8"))
    code, _, content = ask(membership, sys.argv[2], sys.argv[3], sys.argv[4], *sys.argv[5:])
    print(content.decode())
    sys.exit(0 if code < 400 else 1)
