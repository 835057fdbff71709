"""An issuer, a holder and drafts for the tests of forms; and the other people's readers in node."""

import base64
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msingi.credentials import statuslist
from msingi.credentials.forms import chain, jose, mdoc, sdjwt, vcjwt
from msingi.credentials.forms.model import Draft, Fact, StatusPlace
from msingi.kernel.keys import SoftwareSigner

JS = Path(__file__).parents[1] / "js"
URL = "https://id.example"
NOW = datetime.now(UTC)
DAY = int(NOW.timestamp()) // 86400 * 86400
SUBJECT = chain.Subject("XU", "Utopia Authority", URL)
SIGNER = SoftwareSigner("ES256", b"signer" + bytes(26))
ROOT_KEY = SoftwareSigner("ES256", b"root" + bytes(28))
HOLDER = SoftwareSigner("ES256", b"holder" + bytes(26))
ROOT = chain.root(SUBJECT, ROOT_KEY.private_key, NOW)  # type: ignore[arg-type]
CERTIFICATE = chain.signer(SUBJECT, ROOT, ROOT_KEY.private_key, SIGNER.public_key, NOW)  # type: ignore[arg-type]
X5C = (base64.b64encode(CERTIFICATE).decode(),)
LIST = URL + "/credentials/status/1"
SPACE = "org.iso.23220.1"
FACTS = (
    Fact(path=("given_name",), value="Neema", element=(SPACE, "given_name_latin1")),
    Fact(path=("family_name",), value="Mwakasege", element=(SPACE, "family_name_latin1")),
    Fact(path=("birth_date",), value="1988-01-02", kind="date", element=(SPACE, "birth_date")),
    Fact(path=("age_over_18",), value=True, element=(SPACE, "age_over_18")),
    Fact(path=("nationalities",), value=["XU", "XT"], elements=True),
    Fact(path=("address", "locality"), value="Mashariki"),
    Fact(path=("picture",), value=b"\xff\xd8\xff\xe0" + bytes(40), kind="picture", element=(SPACE, "portrait")),
    Fact(path=("issuing_country",), value="XU", hidden=False, element=(SPACE, "issuing_country")),
)


def draft(index: int = 1234, holder: dict[str, Any] | None = None, facts: tuple[Fact, ...] = FACTS) -> Draft:
    """A draft of a photo ID, good for thirty days from today."""
    return Draft(
        issuer=URL,
        issuer_name="Utopia Authority",
        facts=facts,
        starts=DAY,
        ends=DAY + 30 * 86400,
        status=StatusPlace(LIST, index),
        holder=holder or HOLDER.jwk,
        vct=URL + "/credentials/types/photo-id",
        doctype="org.iso.23220.photoID.1",
        types=("PhotoIdCredential",),
        decoys=12,
    )


def sd_jwt(made: Draft | None = None) -> str:
    """A signed SD-JWT VC."""
    return sdjwt.issue(made or draft(), SIGNER, jose.header(SIGNER, sdjwt.TYP, X5C))


def mdoc_of(made: Draft | None = None) -> bytes:
    """A signed mdoc."""
    return mdoc.issue(made or draft(), SIGNER, CERTIFICATE)


def vc_jwt(made: Draft | None = None) -> str:
    """A signed VCDM 2.0 credential."""
    return vcjwt.issue(made or draft(), SIGNER, jose.header(SIGNER, vcjwt.TYP, X5C, cty="vc"))


def status_list(exceptions: dict[int, int] | None = None) -> str:
    """A signed list of 4096 entries."""
    entries = statuslist.pack(4096, 2, exceptions or {})
    token = statuslist.StatusToken(uri=LIST, entries=entries, issued_at=DAY, expires=DAY + 10 * 86400, ttl_s=3600)
    return statuslist.write_jwt(token, SIGNER, X5C)


def node(script: str, **asked: Any) -> subprocess.CompletedProcess[str]:
    """Run a script of tests/js with `asked` on its standard input."""
    return subprocess.run(
        ["node", script], cwd=JS, input=json.dumps(asked), capture_output=True, text=True, timeout=600, check=False
    )
