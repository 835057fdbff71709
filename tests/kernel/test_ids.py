"""Identifiers."""

from uuid import UUID

import msgspec

from msingi.kernel import ids
from msingi.kernel.inline import literal


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
