"""Merkle trees of RFC 6962: hashes, roots, and proofs that are made from subtrees and checked by anyone.

Pure functions over bytes. A hash is 32 bytes (SHA-256); trees are numbered from 0; `size` counts leaves.
Clauses: RFC 6962 section 2.1, RFC 9162 sections 2.1.1 to 2.1.5 (same tree, better described verification).
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

Span = tuple[int, int]
"""A run of leaves [start, end)."""
Node = tuple[int, int]
"""A perfect subtree: (height, index), covering leaves [index * 2**height, (index + 1) * 2**height)."""
FetchNode = Callable[[int, int], bytes]
"""Gives the hash of a perfect subtree from its height and index."""


class ProofBroken(ValueError):
    """A Merkle proof does not prove what it should; `step` names the step of the verification that failed."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step, self.why = step, why


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 || entry) (RFC 9162, section 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 || left || right) (RFC 9162, section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def leaf_hashes(entries: bytes) -> bytes:
    """The leaf hashes of 32-byte entries that stand one after the other, in the same form."""
    return b"".join([sha256(b"\x00" + entries[i : i + 32]).digest() for i in range(0, len(entries), 32)])


def halve(hashes: bytes) -> bytes:
    """One level up: each pair of the hashes that stand one after the other becomes its parent's hash.

    Raises ValueError for an odd number of hashes.
    """
    if len(hashes) % 64:
        raise ValueError("an odd number of hashes has no level above")
    return b"".join([sha256(b"\x01" + hashes[i : i + 64]).digest() for i in range(0, len(hashes), 64)])


def perfect_root(hashes: bytes) -> bytes:
    """The root over 2**k hashes that stand one after the other. Raises ValueError for another number."""
    while len(hashes) > HASH_SIZE:
        hashes = halve(hashes)
    if len(hashes) != HASH_SIZE:
        raise ValueError("a perfect subtree has a power of two of hashes")
    return hashes


def fold(peaks: Iterable[bytes]) -> bytes:
    """The root over perfect subtrees in order from left to right, each larger than the next.

    The empty row gives the hash of the empty tree (RFC 9162, section 2.1.1).
    """
    root = b""
    for peak in reversed(list(peaks)):
        root = node_hash(peak, root) if root else peak
    return root or EMPTY_ROOT


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """MTH over leaf hashes in order (RFC 9162, section 2.1.1); EMPTY_ROOT for none."""
    line = Frontier()
    for leaf in leaves:
        line.push(leaf)
    return line.root()


class Frontier:
    """The right edge of a growing tree: the root after each leaf without keeping the leaves.

    `peaks` are the perfect subtrees that the tree consists of, from left to right (a compact range).
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(self.peaks)}")

    def push(self, leaf: bytes) -> None:
        """Add one leaf hash: equal neighbours merge upward, as ones carry in a binary counter."""
        self.push_subtree(leaf, 1)

    def push_subtree(self, root: bytes, leaves: int) -> None:
        """Add a perfect subtree of `leaves` leaves. Raises ValueError unless the size is a multiple of it."""
        if leaves & (leaves - 1) or self.size % leaves:
            raise ValueError("a subtree can only be added where a subtree of its size begins")
        carry = self.size // leaves
        while carry & 1:
            root = node_hash(self.peaks.pop(), root)
            carry >>= 1
        self.peaks.append(root)
        self.size += leaves

    def root(self) -> bytes:
        """The root of all leaves so far."""
        return fold(self.peaks)


def split_point(size: int) -> int:
    """The largest power of two smaller than `size`, which is at least 2 (RFC 9162, section 2.1.1)."""
    return 1 << (size - 1).bit_length() - 1


def span_nodes(start: int, end: int) -> list[Node]:
    """The perfect subtrees that make up the leaves [start, end), from left to right.

    `start` must be a multiple of the largest of them, as it is for every subtree of a tree.
    """
    found: list[Node] = []
    while start < end:
        height = (end - start).bit_length() - 1
        found.append((height, start >> height))
        start += 1 << height
    return found


def span_hash(start: int, end: int, fetch: FetchNode) -> bytes:
    """MTH(D[start:end]) out of perfect subtrees."""
    return fold(fetch(height, index) for height, index in span_nodes(start, end))


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose roots prove leaf `index` in a tree of `size`, from the leaf's sibling upward.

    PATH(m, D_n) of RFC 9162, section 2.1.3.1. Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    spans: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split_point(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """The subtrees whose roots prove that the tree of `old` leaves is the beginning of that of `new`.

    PROOF(m, D_n) of RFC 9162, section 2.1.4.1; empty when the sizes are equal or `old` is 0.
    Raises ValueError unless 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} cannot be the beginning of a tree of {new}")
    if old in (0, new):
        return []
    spans: list[Span] = []
    start, end, known = 0, new, True
    while end != old:
        middle = start + split_point(end - start)
        if old <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start, known = middle, False
    if not known:
        spans.append((start, end))
    return spans[::-1]


def inclusion_path(index: int, size: int, fetch: FetchNode) -> list[bytes]:
    """The inclusion proof of leaf `index` in the tree of `size` (RFC 9162, section 2.1.3.1)."""
    return [span_hash(start, end, fetch) for start, end in inclusion_spans(index, size)]


def consistency_path(old: int, new: int, fetch: FetchNode) -> list[bytes]:
    """The consistency proof between two sizes (RFC 9162, section 2.1.4.1)."""
    return [span_hash(start, end, fetch) for start, end in consistency_spans(old, new)]


def path_among(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The inclusion proof of leaf `index` among leaf hashes that are all at hand (an entry's inner path)."""
    return [tree_root(leaves[start:end]) for start, end in inclusion_spans(index, len(leaves))]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2, steps 1 to 5).

    Raises ProofBroken if the proof has the wrong length for this place.
    """
    # 1. leaf_index must be smaller than tree_size.
    if not 0 <= index < size:
        raise ProofBroken("inclusion step 1", f"leaf {index} is not in a tree of {size}")
    # 2. fn is set to leaf_index and sn to tree_size - 1. 3. r is set to the leaf hash.
    fn, sn, r = index, size - 1, leaf
    # 4. For each value p in the path:
    for number, p in enumerate(path):
        # a. if sn is 0, the path is too long.
        if sn == 0:
            raise ProofBroken("inclusion step 4a", f"the path goes on after {number} hashes")
        # b. a right child, or the last node of its level: the hash stands at the left.
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        # c. one level up.
        fn, sn = fn >> 1, sn >> 1
    # 5. sn must be 0 (the comparison of r with the root is the caller's).
    if sn:
        raise ProofBroken("inclusion step 5", f"the path ends early, after {len(path)} hashes")
    return r


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash `leaf` stands at `index` in the tree with `root`.

    Raises ProofBroken (RFC 9162, section 2.1.3.2).
    """
    # Step 5, second half: r must be the root hash.
    if root_from_path(leaf, index, size, path) != root:
        raise ProofBroken("inclusion step 5", "the path leads to another root")


def verify_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree (`old`, `old_root`) is the beginning of the tree (`new`, `new_root`).

    Raises ProofBroken (RFC 9162, section 2.1.4.2, with the two cases that need no path before it).
    """
    if not 0 <= old <= new:
        raise ProofBroken("consistency sizes", f"a tree of {old} cannot be the beginning of a tree of {new}")
    # 1. Equal sizes have equal roots and an empty path; every tree begins with the empty tree.
    if old in (0, new):
        if path:
            raise ProofBroken("consistency step 1", "no path is needed here, but one is given")
        if old_root != (new_root if old == new else EMPTY_ROOT):
            raise ProofBroken("consistency step 1", "the old root is another")
        return
    if not path:
        raise ProofBroken("consistency step 1", "the path is empty")
    # 2. If first is an exact power of two, its root is the first hash of the path.
    rest = list(path)
    if old & (old - 1) == 0:
        rest.insert(0, old_root)
    # 3. fn is first - 1, sn is second - 1. 4. While fn is odd, both go up.
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    # 5. fr and sr are set to the first hash.
    fr = sr = rest[0]
    # 6. For each further value c:
    for number, c in enumerate(rest[1:], start=1):
        # a. if sn is 0, the path is too long.
        if sn == 0:
            raise ProofBroken("consistency step 6a", f"the path goes on after {number} hashes")
        # b. the hash stands at the left of both, c. or at the right of the new tree only.
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    # 7. fr must be the old root, sr the new root, and sn 0.
    if fr != old_root:
        raise ProofBroken("consistency step 7", "the path leads to another old root")
    if sr != new_root:
        raise ProofBroken("consistency step 7", "the path leads to another new root")
    if sn:
        raise ProofBroken("consistency step 7", "the path ends early")
