"""How fast cards are signed, drawn and checked on one core: `python tests/bench/bench_cards.py [--seconds S]`.

Signing and checking stand beside the raw Ed25519 operation of `cryptography` in the same run; drawing is measured
with photo, guilloche, machine-readable zone and a vector QR code, one document at a time and in sheets. CPU time
of this process is counted, so that a busy machine does not blur the figures; rounds are interleaved.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

from msgspec.structs import replace

from msingi import countries
from msingi.countries.portrait import portrait
from msingi.credentials import card, ground, sheet, statuslist, wire
from msingi.credentials.model import CredentialId, Face, Place
from msingi.credentials.verify import verify_card
from msingi.kernel.keys import SoftwareSigner

ISSUER = "https://id.example"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
SHEET_CARDS = 16
TARGET_CARDS_PER_S = 100


def face(number: int, signer: SoftwareSigner) -> Face:
    """A signed face; each has another photo and name."""
    bare = Face(
        credential_id=CredentialId(f"BCDFG{number:04d}"),
        number=f"48291033{number:04d}",
        given_name=f"Neema Upendo {number}",
        family_name="Mwakasege",
        birth_date="1988-01-02",
        sex="female",
        nationality="UTO",
        place="Mashariki",
        issued_on=date(2026, 11, 21),
        expires_on=date(2036, 11, 21),
        photo_jpeg=portrait(number, "female", 38),
        qr_text="",
    )
    claims = wire.claims_of(bare, ISSUER, Place(1, number), "sw", "")
    return replace(bare, qr_text=wire.qr_text(claims, signer))


def rate(work: Callable[[], int], seconds: float) -> float:
    """Pieces per second of CPU time; `work` does some and says how many."""
    done, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        done += work()
    return done / spent


def works(signer: SoftwareSigner) -> dict[str, Callable[[], int]]:
    """What is measured, by name."""
    faces = [face(n, signer) for n in range(SHEET_CARDS)]
    design = ground.design_of(countries.load(countries.shipped()[0]), ISSUER, specimen=True)
    claims = wire.claims_of(faces[0], ISSUER, Place(1, 7), "sw", "")
    message = os.urandom(650)
    signature, public = signer.sign(message), signer.public_key
    text, jwks = faces[0].qr_text, {"keys": [signer.jwk]}
    now = int(NOW.timestamp())
    token = statuslist.StatusToken(uri="u", entries=statuslist.pack(1 << 20, 2, {}), issued_at=now, expires=now + 9)
    no_list = statuslist.write_jwt(replace(token, uri=f"{ISSUER}/credentials/status/2"), signer)
    many = {n * 97 % (1 << 20): 1 for n in range(10_000)}

    def one(act: Callable[[], object]) -> Callable[[], int]:
        def run() -> int:
            act()
            return 1

        return run

    def publish() -> object:
        return statuslist.write_jwt(replace(token, entries=statuslist.pack(1 << 20, 2, many)), signer)

    return {
        "raw Ed25519 sign": one(lambda: signer.sign(message)),
        "claim 169 signed": one(lambda: wire.qr_text(claims, signer)),
        "claim 169 with photo, from the face": one(lambda: wire.claims_of(faces[1], ISSUER, Place(1, 7), "sw", "")),
        "raw Ed25519 verify": one(lambda: public.verify(signature, message)),  # type: ignore[call-arg]
        "claim 169 verified": one(lambda: verify_card(text, jwks, None, NOW)),
        "claim 169 verified, with a status list token": one(lambda: verify_card(text, jwks, no_list, NOW)),
        "cards as single PDFs": one(lambda: card.document(faces[:1], design)),
        "cards in A4 sheets": lambda: len(sheet.document(faces, design)) and SHEET_CARDS,
        "cards in one ID-1 document": lambda: len(card.document(faces, design)) and SHEET_CARDS,
        "status lists of 1,048,576 entries, 1 % revoked": one(publish),
    }


def main() -> None:
    """Measure in interleaved rounds and print medians per second of CPU time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=0.25, help="CPU seconds for each work in each round")
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    found = works(SoftwareSigner("Ed25519", bytes(range(32))))
    rates: dict[str, list[float]] = {name: [] for name in found}
    for work in found.values():
        work()  # fonts, tables and caches are made before the clock runs
    for _ in range(chosen.rounds):
        for name, work in found.items():
            rates[name].append(rate(work, chosen.seconds))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    yardstick = {"claim 169 signed": "raw Ed25519 sign", "claim 169 verified": "raw Ed25519 verify"}
    for name, per_s in medians.items():
        beside = yardstick.get(name)
        share = f"   {per_s / medians[beside]:.0%} of the raw operation" if beside else ""
        print(f"{name:48} {per_s:10,.0f} /s per core{share}")
    for name in ("cards in A4 sheets", "cards in one ID-1 document"):
        print(f"goal: {name} >= {TARGET_CARDS_PER_S}/s: {'met' if medians[name] >= TARGET_CARDS_PER_S else 'MISSED'}")


if __name__ == "__main__":
    main()
