"""The institutions, staff and software of the sample country, and what one of its nurses records."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey
from msgspec import Struct

from msingi.countries import Member, Profile
from msingi.countries.synthetic import Invented
from msingi.kernel.context import job_context
from msingi.kernel.keys import public_jwk
from msingi.kernel.stack import Stack

# role -> (kind of institution, roles in the policies)
STAFF = {
    "officer": ("registry", ["enrolment-officer", "adjudicator", "registrar", "card-officer", "credential-officer"]),
    "clinician": ("clinic", ["clinician"]),
    "auditor": ("auditor", ["auditor", "statistician"]),
    "operator": ("registry", ["operator", "governing-authority", "credential-approver"]),
    "clerk": ("ministry", ["payment-clerk", "credential-officer"]),
    "approver": ("ministry", ["payment-approver", "treasurer"]),
    "banker": ("bank", ["account-officer", "central-banker"]),
    "caseworker": ("ministry", ["caseworker"]),
    "steward": ("registry", ["data-steward"]),
    "technician": ("hospital", ["exchange-operator"]),
    "dpo": ("registry", ["data-protection-officer"]),
    "protector": ("regulator", ["data-protection-authority"]),
    "registrar": ("registry", ["adjudicator", "registrar"]),
    "judge": ("court", ["court"]),
    "compliance": ("bank", ["compliance-officer"]),
    "compliance2": ("bank", ["compliance-officer"]),
    "governor": ("bank", ["central-banker"]),
    "banker2": ("bank", ["account-officer"]),
}
STAFF_PIN = "246810"
COURT = "high-court"  # in a profile that names no court
CALLBACK = "http://127.0.0.1:9100/callback"
# client -> (kind of institution, security profile, scopes beyond those about a signed-in person, name)
CLIENTS = {
    "bank-app": (
        "bank",
        "confidential",
        {"authenticate"},
        {"sw": "Benki mkononi", "ar": "المصرف بالهاتف", "en": "Mobile banking"},
    ),
    "clinic-app": (
        "clinic",
        "confidential",
        {"clinician"},
        {"sw": "Rekodi za zahanati", "ar": "سجل المستوصف", "en": "Clinic records"},
    ),
    "cases-app": (
        "ministry",
        "confidential",
        {"caseworker"},
        {"sw": "Maombi ya msaada", "ar": "ملفات المساعدة", "en": "Case management"},
    ),
    "ministry-app": (
        "ministry",
        "fapi",
        {"authenticate"},
        {"sw": "Msaada mtandaoni", "ar": "المساعدات على الخط", "en": "Benefits online"},
    ),
}


class Country(Struct):
    """What was founded: members by kind, and the part of sample.json that describes them."""

    members: list[Member]
    document: dict[str, Any]

    def code_of(self, kind: str) -> str:
        """The code of the institution of a kind, such as `clinic`."""
        return next(m.code for m in self.members if m.kind == kind)


def staff_phone(profile: Profile, place: int) -> str:
    """A telephone number outside the range of the sample's people."""
    return f"{profile.phone_prefix}6{place:0{profile.phone_digits - 1}d}"


def _b64(raw: bytes) -> str:
    import base64

    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _exchange_key(seed: str) -> tuple[dict[str, str], dict[str, str]]:
    """A subsystem's Ed25519 key of a sandbox: (private JWK, public JWK); made from the seed to be reproducible."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())
    public = public_jwk(key.public_key())
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return public | {"d": _b64(secret)}, public


async def found(stack: Stack, seed: int) -> Country:
    """Join the profile's institutions, hire staff, register software and publish agreements; safe to repeat."""
    from msingi.cli.sample_members import agreements, centres, join

    profile = stack.profile
    secret = _secret(stack)
    institutions = []
    for member in profile.institutions:
        private, public = _exchange_key(f"{secret}:{member.code}")
        await join(stack, member, public)
        institutions.append(
            {
                "code": member.code,
                "kind": member.kind,
                "name": profile.say(member.name),
                "subsystem": f"{member.member_class}/{member.code}/{member.subsystem}",
                "jwk": private,
            }
        )
    staff = [await _hire(stack, place, role) for place, role in enumerate(STAFF, 1)]
    clients = [await _register(stack, client) for client in CLIENTS]
    await agreements(stack)
    await centres(stack)
    document = {"institutions": institutions, "staff": staff, "clients": clients}
    return Country(profile.institutions, document)


def _secret(stack: Stack) -> str:
    """A secret of this home, so that two sandboxes do not share keys; kept beside the sample until it is made."""
    file = Path(stack.settings.home) / "sample.secret"
    if not file.exists():
        file.write_text(stack.keys.blind("sample").hex())
        file.chmod(0o600)
    return file.read_text()


def _name(profile: Profile, place: int) -> str:
    """A name for the member of staff at a place of STAFF: women and men in turn."""
    given = (profile.given_female, profile.given_male)[place % 2]
    return f"{given[-place % len(given)]} {profile.family[-place % len(profile.family)]}"


def _court(profile: Profile) -> str:
    """The country's first court."""
    return next((court.code for court in profile.law.courts), COURT)


async def _hire(stack: Stack, place: int, role: str) -> dict[str, Any]:
    from msingi.signin import acts as signin
    from msingi.signin.model import NewStaff

    kind, roles = STAFF[role]
    members = {m.kind: m.code for m in reversed(stack.profile.institutions)}
    institution = (members | {"regulator": stack.profile.law.authority, "court": _court(stack.profile)})[kind]
    phone = staff_phone(stack.profile, place)
    new = NewStaff(
        staff_id=f"{role}-1",
        institution=institution,
        roles=frozenset(roles),
        name=_name(stack.profile, place),
        phone=phone,
        pin=STAFF_PIN,
    )
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    return {
        "role": role,
        "id": new.staff_id,
        "pin": STAFF_PIN,
        "phone": phone,
        "name": new.name,
        "institution": institution,
        "roles": sorted(roles),
    }


async def _register(stack: Stack, client_id: str) -> dict[str, Any]:
    from msingi.signin import acts as signin
    from msingi.signin.model import Client
    from msingi.signin.model import Profile as Security

    kind, how, scopes, name = CLIENTS[client_id]
    institution = next(m.code for m in stack.profile.institutions if m.kind == kind)
    file = Path(stack.settings.home) / f"sample.{client_id}.jwk"
    if file.exists():
        key = ECKey.import_key(json.loads(file.read_text()))
    else:
        key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig", "kid": f"{client_id}-1"})
        file.write_text(json.dumps(key.as_dict(private=True)))
        file.chmod(0o600)
    client = Client(
        client_id=client_id,
        name=stack.profile.say(name),
        institution=institution,
        profile=Security(how),
        jwks=(dict(key.as_dict(private=False)),),
        redirect_uris=(CALLBACK,),
        scopes=frozenset({"openid", "profile", "phone"} | scopes),
        claims=frozenset({"name", "birthdate", "phone_number"}),
    )
    await signin.add_client(stack, job_context("setup", "operations"), client)
    return {
        "client_id": client_id,
        "institution": institution,
        "profile": how,
        "jwk": dict(key.as_dict(private=True)),
        "redirect_uris": [CALLBACK],
        "scopes": sorted(client.scopes),
    }


def vaccination_bundle(profile: Profile, infant: Invented, number: str) -> dict[str, Any]:
    """A FHIR R4 transaction: the child, and one Immunization for each dose of the schedule that was due."""
    patient = f"urn:uuid:00000000-0000-4000-8000-{infant.index:012x}"
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": patient,
            "resource": {
                "resourceType": "Patient",
                "identifier": [{"system": profile.number_system, "value": number}],
                "name": [{"family": infant.family, "given": [infant.given]}],
                "gender": infant.sex,
                "birthDate": infant.birth_date.isoformat(),
            },
            "request": {"method": "POST", "url": "Patient"},
        }
    ]
    for place, dose in enumerate(profile.immunisation):
        given = infant.birth_date + timedelta(weeks=dose.due_weeks, days=infant.index % 9)
        entries.append(
            {
                "fullUrl": f"urn:uuid:00000000-0000-4000-9000-{infant.index * 16 + place:012x}",
                "resource": {
                    "resourceType": "Immunization",
                    "status": "completed",
                    "vaccineCode": {
                        "coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": dose.cvx[0]}],
                        "text": profile.say(dose.name),
                    },
                    "patient": {"reference": patient},
                    "occurrenceDateTime": given.isoformat(),
                    "protocolApplied": [{"doseNumberPositiveInt": dose.dose}],
                },
                "request": {"method": "POST", "url": "Immunization"},
            }
        )
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
