"""The laws of factors, tries, sessions and registrations, as pure functions."""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.kernel.ids import PersonId
from msingi.signin.errors import BadQuestion, BadRegistration, ChecksMissing, PinNotAcceptable
from msingi.signin.model import CHECKS, CLAIMS, PIN_TRIES, Client, Profile, Question

IDLE_S = 30 * 60
TOUCH_S = 60  # how stale "last seen" may be, so that not every request writes it
ABSOLUTE_S = 12 * 3600
LOCK_FIRST_S = 15 * 60
LOCK_LONGEST_S = 24 * 3600
FORGET_S = 24 * 3600
SMS_TRIES = 6
PROBE_WRONG = 50
COOLING_S = 3 * 86_400
PROBE_WINDOW_S = 15 * 60
_PIN = re.compile(r"[0-9]{4,8}")
_ROWS = ("01234567890", "09876543210")
SCOPES = frozenset(
    {
        "openid",
        "profile",
        "phone",
        "number",
        "offline_access",
        "api",
        "authenticate",
        "authenticate-each",
        "send_binding_otp",
        "wallet_binding",
    }
)


class Tries(Struct, frozen=True):
    """Wrong attempts of one subject from one place: how many since `since`, and until when it is locked."""

    failures: int
    since: datetime
    locked_until: datetime | None = None


def check_new_pin(pin: str) -> None:
    """Raises PinNotAcceptable unless `pin` has 4 to 8 digits, not all the same and not a plain row."""
    if not _PIN.fullmatch(pin):
        raise PinNotAcceptable(rule="4 to 8 digits")
    if len(set(pin)) == 1 or any(pin in row for row in _ROWS):
        raise PinNotAcceptable(rule="not all the same digit, not a plain row")


def pin_text(account: PersonId | None, salt: bytes, pin: str) -> str:
    """What of a PIN is hashed under the keystore's key: whose it is, 16 random bytes, and the PIN (decision 0015)."""
    return f"signin.pin|{account}|{salt.hex()}|{pin}"


def check_recovery(checks: Iterable[str]) -> None:
    """Raises ChecksMissing unless an officer made at least two different checks of those that count."""
    found = set(checks)
    if not found <= set(CHECKS) or len(found) < 2:
        raise ChecksMissing(rule=f"at least two of {', '.join(CHECKS)}")


def staff_account_id(staff_id: str) -> PersonId:
    """The account id of a staff id: a version 8 UUID (RFC 9562, section 5.8) over its SHA-256; no lookup needed."""
    digest = hashlib.sha256(b"msingi staff account\0" + staff_id.strip().lower().encode()).digest()
    number = int.from_bytes(digest[:16])
    number = number & ~(0xF << 76) | 0x8 << 76
    return PersonId(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))


def is_client_id(text: str) -> bool:
    """Whether `text` can be a client id: 1 to 200 printable ASCII characters without blanks."""
    return re.fullmatch(r"[\x21-\x7e]{1,200}", text) is not None


def check_staff_id(staff_id: str) -> None:
    """Raises BadRegistration unless a staff id is 3 to 40 of a-z 0-9 . _ - with at least one letter."""
    if not re.fullmatch(r"[a-z0-9._\-]{3,40}", staff_id) or not is_staff_login(staff_id):
        raise BadRegistration(rule="a staff id has 3 to 40 of a-z 0-9 . _ - and at least one letter")


def is_staff_login(login: str) -> bool:
    """Whether what was typed is a staff id: staff ids hold a letter, numbers and phones never do."""
    return any(c.isalpha() for c in login)


def tidy_login(login: str) -> str:
    """What was typed without the blanks, dots and dashes that people put into numbers."""
    return login.strip().lower() if is_staff_login(login) else re.sub(r"[\s.\-()/]", "", login)


def network(address: str) -> str:
    """The network that an address counts for: the /24 of IPv4, the /56 of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 56), strict=False))


def place_key(subject: str, known_device: bytes | None, from_network: str) -> str:
    """Names the counter of wrong tries: one subject on one known device, or one subject from one network (law 2)."""
    place = f"device:{known_device.hex()}" if known_device else f"network:{from_network}"
    return f"signin.tries|{subject}|{place}"


def after_failure(tries: Tries | None, now: datetime, allowed: int = PIN_TRIES) -> Tries:
    """The counter after one more wrong attempt; every `allowed` failures lock, each time twice as long, up to a day."""
    if tries is None or now - tries.since > timedelta(seconds=FORGET_S):
        tries = Tries(0, now)
    failures = tries.failures + 1
    locked = tries.locked_until
    if failures % allowed == 0:
        seconds = min(LOCK_FIRST_S * 2 ** (failures // allowed - 1), LOCK_LONGEST_S)
        locked = now + timedelta(seconds=seconds)
    return Tries(failures, tries.since, locked)


def locked_s(tries: Tries | None, now: datetime) -> int:
    """For how many seconds this place is still locked; 0: it is open."""
    if tries is None or tries.locked_until is None or tries.locked_until <= now:
        return 0
    return int((tries.locked_until - now).total_seconds()) + 1


def session_is_live(now: datetime, seen_at: datetime, expires_at: datetime) -> bool:
    """Whether a session still holds: used within the last 30 minutes, and begun less than 12 hours ago."""
    return now < expires_at and now - seen_at < timedelta(seconds=IDLE_S)


def device_name(agent: str) -> str:
    """A coarse name of a browser, enough for its owner to recognise it: `Firefox, Android`."""
    browsers = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"))
    systems = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
    found = next((name for mark, name in browsers if mark in agent), "Safari" if "Safari/" in agent else "Browser")
    system = next((s for s in systems if s in agent), "")
    return f"{found}, {system}" if system else found


def check_question(question: Question, *, sending: bool = False) -> None:
    """Raises BadQuestion unless exactly one person and (unless a code is only to be sent) a proof is named."""
    if bool(question.number) == bool(question.pseudonym):
        raise BadQuestion(rule="exactly one of number and pseudonym")
    if sending:
        return
    if bool(question.challenge) != bool(question.code):
        raise BadQuestion(rule="challenge and code come together")
    if question.pin and question.code:
        raise BadQuestion(rule="pin or code, not both")
    said = question.said is not None and any(msgspec.structs.astuple(question.said))
    if question.each and not said:
        raise BadQuestion(rule="each needs something said")
    if not (said or question.pin or question.code):
        raise BadQuestion(rule="at least one of said, pin and (challenge with code)")


def methods_of(question: Question) -> list[str]:
    """By what a question is to be proved."""
    ways = {"said": question.said is not None, "pin": question.pin, "otp": question.code}
    return [way for way, used in ways.items() if used]


def guesses(asked: int, wrong: int) -> bool:
    """Whether so many noes look like guessing: fifty within the window, and a tenth of all questions."""
    return wrong >= PROBE_WRONG and wrong * 10 >= asked


def is_stopped(asked: int, wrong: int) -> bool:
    """Whether an institution's software gets no further answers in this window: fifty noes, half of all questions."""
    return wrong >= PROBE_WRONG and wrong * 2 >= asked


def check_registration(client: Client) -> None:
    """Raises BadRegistration, naming the rule, unless the client has what its profile must have.

    Redirect addresses are https, or http on a loopback address for software on the user's own machine
    (RFC 8252, section 7.3); they hold no fragment (RFC 6749, section 3.1.2).
    """
    if not is_client_id(client.client_id) or client.client_id.startswith("msingi-sign-in"):
        raise BadRegistration(rule="a client id has 1 to 200 printable ASCII characters without blanks")
    if client.profile is Profile.PUBLIC and client.jwks:
        raise BadRegistration(rule="a public client holds no key")
    if client.profile is not Profile.PUBLIC and not client.jwks and client.auth == "private_key_jwt":
        raise BadRegistration(rule="a confidential client registers at least one public key")
    if client.profile is Profile.PUBLIC and client.scopes & {
        "authenticate",
        "authenticate-each",
        "offline_access",
        "api",
        "send_binding_otp",
        "wallet_binding",
    }:
        raise BadRegistration(rule="a public client has no scope authenticate, offline_access, api or of wallets")
    if not client.claims <= set(CLAIMS):
        raise BadRegistration(rule=f"claims are among {', '.join(CLAIMS)}")
    if "api" in client.scopes and "openid" in client.scopes and not client.first_party:
        raise BadRegistration(rule="only a first-party client acts for a signed-in person at API doors")
    if client.id_token_signed_response_alg not in ("ES256", "RS256"):
        raise BadRegistration(rule="id_token_signed_response_alg is ES256 or RS256")
    if client.id_token_signed_response_alg == "RS256" and client.profile is Profile.FAPI:
        raise BadRegistration(rule="FAPI 2.0, section 5.4.1: a fapi client's tokens are signed with ES256")
    for jwk in client.jwks:
        if secret_members(jwk):
            raise BadRegistration(rule="register public keys only")
    told = [client.backchannel_logout_uri] if client.backchannel_logout_uri else []
    for uri in (*client.redirect_uris, *client.logout_uris, *told):
        check_redirect_form(uri)


def secret_members(jwk: dict[str, object]) -> set[str]:
    """The private members that a JWK holds (RFC 7518, section 6); a symmetric key counts as private."""
    return {m for m in ("d", "p", "q", "dp", "dq", "qi", "oth", "k") if m in jwk}


def check_redirect_form(uri: str) -> None:
    """Raises BadRegistration unless `uri` is an absolute https address, or http on a loopback host."""
    parts = urlsplit(uri)
    loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.fragment or not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise BadRegistration(rule="a redirect address is https, or http on a loopback host, without fragment")


def amr(methods: Iterable[str]) -> list[str]:
    """The authentication methods as RFC 8176 names them: pin, otp (with sms), mfa when there are two."""
    found = sorted(set(methods))
    return [*found, "mfa"] if len(found) > 1 else found
