"""Records of biometrics as CBEFF XML, read with care; and their encryption for a matcher. Pure.

ISO/IEC 19785-3 (second edition) as MOSIP profiles it: a BIR that holds one BIR for each finger, iris and face.
"""

import base64
import binascii
import os
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from msingi.identity.biometrics.model import Modality
from msingi.identity.errors import BiometricsWrong

SPACE: Final = "{http://standards.iso.org/iso-iec/19785/-3/ed-2/}"
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_RECORDS: Final = 40
SPLITTER: Final = b"#KEY_SPLITTER#"
VERSION: Final = b"VER_R2"


def modalities(raw: bytes) -> tuple[Modality, ...]:
    """Which modalities the records hold, each once. Raises BiometricsWrong, with `rule` bytes, xml, records or data."""
    if len(raw) > MOST_BYTES:
        raise BiometricsWrong("At most 8 MB.", field="records", rule="bytes")
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise BiometricsWrong("No document type is read.", field="records", rule="xml")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as wrong:
        raise BiometricsWrong(str(wrong)[:200], field="records", rule="xml") from None
    records = root.findall(f"{SPACE}BIR")
    if root.tag != f"{SPACE}BIR" or not 1 <= len(records) <= MOST_RECORDS:
        raise BiometricsWrong(f"A BIR with 1 to {MOST_RECORDS} records.", field="records", rule="records")
    found: dict[Modality, None] = {}
    for place, record in enumerate(records, 1):
        kind = (record.findtext(f"{SPACE}BDBInfo/{SPACE}Type") or "").strip().casefold()
        data = record.findtext(f"{SPACE}BDB") or ""
        try:
            found[Modality(kind)] = None
            if not base64.b64decode("".join(data.split()), validate=True):
                raise ValueError
        except (ValueError, binascii.Error):
            raise BiometricsWrong(
                f"Record {place} needs a type (Finger, Iris, Face) and data in base64.", field="records", rule="data"
            ) from None
    return tuple(found)


def wrapped(modality: Modality, data: bytes, at: datetime) -> bytes:
    """One template or picture, as a scanner wrote it, as CBEFF XML: a BIR that holds one BIR (ISO/IEC 19785-3)."""
    space = SPACE.strip("{}")
    root = etree.Element(f"{SPACE}BIR", nsmap={None: space})
    record = etree.SubElement(root, f"{SPACE}BIR")
    told = etree.SubElement(record, f"{SPACE}BDBInfo")
    etree.SubElement(told, f"{SPACE}CreationDate").text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    etree.SubElement(told, f"{SPACE}Type").text = modality.value.title()
    etree.SubElement(record, f"{SPACE}BDB").text = base64.b64encode(data).decode()
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def encrypted_for(certificate_pem: bytes, plain: bytes) -> bytes:
    """`plain` as a matcher fetches it: data share encryption VER_R2, base64url. Raises ValueError for no RSA key."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the matcher's certificate holds no RSA key")
    secret, bound = AESGCM.generate_key(256), os.urandom(32)
    wrapped = key.encrypt(secret, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    sealed = AESGCM(secret).encrypt(bound[:12], plain, bound)
    first = VERSION + certificate.fingerprint(hashes.SHA256()) + wrapped
    return base64.urlsafe_b64encode(first + SPLITTER + bound + sealed)
