"""Keys: at rest only sealed, rotation without a stop, and the same through a real PKCS#11 module (SoftHSM2)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from msingi.kernel.keys import SIGNING, Keystore, Signer

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")


def verify(signer: Signer, signature: bytes, message: bytes) -> None:
    if isinstance(signer.public_key, ed25519.Ed25519PublicKey):
        signer.public_key.verify(signature, message)
    else:
        der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
        signer.public_key.verify(der, message, ec.ECDSA(SHA256()))


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A fresh SoftHSM2 token."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "msingi", "--pin", "123456", "--so-pin", "654321"]
    subprocess.run(command, check=True, capture_output=True)
    return "msingi"


def open_store(where: str, home: Path, request: pytest.FixtureRequest) -> Keystore:
    if where == "software":
        return Keystore.open(home)
    from msingi.kernel.hsm import HsmKeys

    token = request.getfixturevalue("token")
    return Keystore.open(home, hsm=HsmKeys(str(SOFTHSM), token, "123456"))


@pytest.mark.parametrize("where", ["software", "module"])
def test_sign_rotate_retire_and_open_again(where, tmp_path, request):
    store = open_store(where, tmp_path, request)
    for name, algorithm in SIGNING.items():
        signer = store.signer(name)
        assert signer.alg == algorithm
        signature = signer.sign(b"act")
        assert len(signature) == 64
        verify(signer, signature, b"act")
        with pytest.raises(InvalidSignature):
            verify(signer, signature, b"another act")
    old = store.signer("oidc")
    new = store.rotate("oidc")
    assert [k["kid"] for k in store.public("oidc")] == [new.kid, old.kid]
    verify(old, old.sign(b"still valid"), b"still valid")
    again = open_store(where, tmp_path, request)
    assert again.signer("oidc").kid == new.kid and again.mac("blind") == store.mac("blind")
    with pytest.raises(ValueError, match="rotate before"):
        again.retire("oidc", new.kid)
    again.retire("oidc", old.kid)
    assert [k["kid"] for k in again.public("oidc")] == [new.kid]


def test_the_file_gives_nothing_away_and_a_wrong_passphrase_is_told(tmp_path):
    store = Keystore.open(tmp_path, "correct horse")
    raw = (tmp_path / "keystore").read_bytes()
    assert store.mac("blind") not in raw and (tmp_path / "keystore").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="wrong passphrase"):
        Keystore.open(tmp_path, "wrong horse")
    (tmp_path / "keystore").write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(ValueError, match="was changed"):
        Keystore.open(tmp_path, "correct horse")


def test_a_secret_in_the_module_cannot_be_read_out(token):
    import pkcs11

    from msingi.kernel.hsm import HsmKeys

    keys = HsmKeys(str(SOFTHSM), token, "123456")
    version = keys.make("probe", "Ed25519")
    signer = keys.signer("probe", version, "Ed25519")
    with pytest.raises(pkcs11.PKCS11Error):
        _ = signer._private[pkcs11.Attribute.VALUE]


def test_a_wrong_pin_is_told(token):
    """In a program of its own, because a login lasts as long as the program."""
    code = f"from msingi.kernel.hsm import HsmKeys; HsmKeys({str(SOFTHSM)!r}, {token!r}, '000000')"
    path = os.pathsep.join(p for p in sys.path if p)
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert ran.returncode and "ValueError: PKCS#11 token msingi: PinIncorrect" in ran.stderr
