"""Identifiers and the random bytes that they are made of."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import msgspec
import pytest

from msingi.kernel import ids
from msingi.kernel.inline import literal


def test_random_bytes_are_given_once() -> None:
    """To no two callers, in whatever thread, and not again in a child of this program."""
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: ids.random_bytes(12), range(2_000)))
    assert len(set(found)) == 2_000 and {len(one) for one in found} == {12}
    ids.random_bytes(1)  # so that blocks are waiting, which a child would inherit
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b"".join(ids.random_bytes(64) for _ in range(16)))
        os._exit(0)
    os.waitpid(child, 0)
    there = os.read(reader, 64 * 16)
    assert all(ids.random_bytes(64) not in there for _ in range(16))
    with pytest.raises(ValueError, match="64"):
        ids.random_bytes(65)


def test_ids_are_uuids_like_any_other() -> None:
    """Equal to the standard library's, written alike, of their versions, and in their order."""
    made = [ids.uuid7() for _ in range(50)]
    assert made == sorted(made) and all(one.version == 7 and one.variant == UUID(int=1 << 63).variant for one in made)
    same = UUID(bytes=made[0].bytes)
    assert made[0] == same and hash(made[0]) == hash(same) and str(made[0]) == str(same)
    assert isinstance(made[0], UUID) and msgspec.json.encode(made[0]) == msgspec.json.encode(same)
    assert literal(made[0]) == literal(same)
    assert literal(made[:3]) == literal([UUID(bytes=one.bytes) for one in made[:3]])
    assert UUID(ids.random_id()).version == 4
