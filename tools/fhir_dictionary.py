"""Train the zstd dictionary of the health room's bodies on official FHIR R4 examples (development only).

    npm pack hl7.fhir.r4.examples@4.0.1 (CC0-1.0), unpack, then
    python tools/fhir_dictionary.py EXAMPLES_PACKAGE src/msingi/health/definitions/bodies-1.zdict

A body names its dictionary by its first byte, so a later dictionary gets a new number and leaves old bodies readable.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import zstandard

SIZE_BYTES = 48 * 1024
LARGEST_BYTES = 12_000


def samples(package: Path, types: frozenset[str]) -> list[bytes]:
    """Compact JSON of every example of the stored types, without its narrative."""
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    encoder = msgspec.json.Encoder(decimal_format="number")
    found: list[bytes] = []
    for path in sorted(package.glob("*.json")):
        if path.name.partition("-")[0] not in types:
            continue
        resource = decoder.decode(path.read_bytes())
        resource.pop("text", None)
        raw = encoder.encode(resource)
        if len(raw) <= LARGEST_BYTES:
            found.append(raw)
    return found


def main(package: Path, out: Path) -> None:
    """Train, write, and print what it saves on its own samples."""
    from msingi.health.extraction import stored_types

    found = samples(package, stored_types())
    trained = zstandard.train_dictionary(SIZE_BYTES, [*found], level=3)
    out.write_bytes(trained.as_bytes())
    packer = zstandard.ZstdCompressor(level=3, dict_data=trained, write_content_size=True)
    before, after = sum(map(len, found)), sum(len(packer.compress(raw)) for raw in found)
    print(f"{out}: {len(trained.as_bytes()):,} bytes; {len(found)} samples {before:,} -> {after:,} bytes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
