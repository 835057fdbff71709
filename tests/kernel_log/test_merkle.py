"""Merkle trees against the recursive definition of RFC 6962, section 2.1, and proofs that must fail."""

import os
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.kernel.log import leaf, merkle
from msingi.kernel.log.merkle import ProofBroken, leaf_hash, node_hash


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH as it stands in RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    k = split(len(leaves))
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    return 1 << (n - 1).bit_length() - 1


LEAVES = [leaf_hash(i.to_bytes(4, "big")) for i in range(600)]
sizes = st.integers(1, len(LEAVES))


@cache
def naive_root(begin: int, end: int) -> bytes:
    """MTH over LEAVES[begin:end]."""
    if end - begin < 2:
        return LEAVES[begin] if end > begin else merkle.EMPTY_ROOT
    k = begin + split(end - begin)
    return node_hash(naive_root(begin, k), naive_root(k, end))


def naive_path(m: int, begin: int, end: int) -> list[bytes]:
    """PATH of leaf m among LEAVES[begin:end] as it stands in RFC 6962, section 2.1.1."""
    if end - begin == 1:
        return []
    k = begin + split(end - begin)
    if m < k:
        return [*naive_path(m, begin, k), naive_root(k, end)]
    return [*naive_path(m, k, end), naive_root(begin, k)]


def naive_proof(m: int, begin: int, end: int, known: bool = True) -> list[bytes]:
    """SUBPROOF for LEAVES[begin:m] in LEAVES[begin:end] as it stands in RFC 6962, section 2.1.2."""
    if m == end:
        return [] if known else [naive_root(begin, end)]
    k = begin + split(end - begin)
    if m <= k:
        return [*naive_proof(m, begin, k, known), naive_root(k, end)]
    return [*naive_proof(m, k, end, False), naive_root(begin, k)]


def fetch(height: int, index: int) -> bytes:
    return naive_root(index << height, (index + 1) << height)


def test_known_hashes_of_rfc_6962():
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    # The eight entries of the reference tests of Certificate Transparency.
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(e)) for e in entries]
    assert merkle.tree_root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert merkle.tree_root(leaves[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"


@given(st.integers(0, len(LEAVES)))
@settings(deadline=None)
def test_law_2_root_is_the_tree_hash(size):
    line = merkle.Frontier()
    for hashed in LEAVES[:size]:
        line.push(hashed)
    assert merkle.tree_root(LEAVES[:size]) == line.root() == naive_root(0, size)
    assert merkle.span_hash(0, size, fetch) == line.root()


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_law_2_the_entry_of_a_transaction_is_the_same_tree_hash(commitments):
    assert leaf.tree_hash(commitments) == tree_hash([leaf_hash(c) for c in commitments])


@settings(deadline=None)
@given(sizes.flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_inclusion_is_that_of_the_rfc_and_verifies(case):
    size, index = case
    path = merkle.inclusion_path(index, size, fetch)
    assert path == naive_path(index, 0, size) == merkle.path_among(index, LEAVES[:size])
    merkle.verify_inclusion(LEAVES[index], index, size, path, naive_root(0, size))


@settings(deadline=None)
@given(sizes.flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_law_4_consistency_is_that_of_the_rfc_and_verifies(case):
    new, old = case
    path = merkle.consistency_path(old, new, fetch)
    assert path == (naive_proof(old, 0, new) if old else [])
    merkle.verify_consistency(old, new, path, naive_root(0, old), naive_root(0, new))


@given(
    sizes.flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))),
    st.sampled_from(["leaf", "index", "size", "flip", "drop", "add", "root"]),
    st.integers(0, 10**6),
)
@settings(max_examples=200, deadline=None)
def test_inclusion_refuses_every_change(case, what, pick):
    size, index = case
    path, root, hashed = merkle.inclusion_path(index, size, fetch), naive_root(0, size), LEAVES[index]
    if what == "leaf":
        hashed = leaf_hash(b"another")
    elif what == "index":
        index = pick % (size + 2)
        if index == case[1]:
            return
    elif what == "size":
        size = size + 1 + pick % 50
        root = naive_root(0, size) if size <= len(LEAVES) else os.urandom(32)
        if merkle.inclusion_spans(index, case[0]) == merkle.inclusion_spans(index, size):
            return
    elif what == "root":
        root = os.urandom(32)
    elif what == "add":
        path.insert(pick % (len(path) + 1), os.urandom(32))
    elif not path:
        return
    elif what == "flip":
        at = pick % len(path)
        path[at] = bytes([path[at][0] ^ 1]) + path[at][1:]
    else:
        path.pop(pick % len(path))
    with pytest.raises(ProofBroken):
        merkle.verify_inclusion(hashed, index, size, path, root)


@given(
    st.integers(2, 600).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))),
    st.sampled_from(["old root", "new root", "old", "flip", "drop", "add"]),
    st.integers(0, 10**6),
)
@settings(max_examples=200, deadline=None)
def test_consistency_refuses_every_change(case, what, pick):
    new, old = case
    path = merkle.consistency_path(old, new, fetch)
    roots = [naive_root(0, old), naive_root(0, new)]
    if what == "old root":
        roots[0] = os.urandom(32)
    elif what == "new root":
        roots[1] = os.urandom(32)
    elif what == "old":
        old = 1 + pick % new
        if old == case[1]:
            return
    elif what == "add":
        path.insert(pick % (len(path) + 1), os.urandom(32))
    elif what == "flip":
        at = pick % len(path)
        path[at] = bytes([path[at][0] ^ 1]) + path[at][1:]
    else:
        path.pop(pick % len(path))
    with pytest.raises(ProofBroken):
        merkle.verify_consistency(old, new, path, *roots)


def test_the_error_names_the_step():
    root = naive_root(0, 5)
    path = merkle.inclusion_path(1, 5, fetch)
    for broken, step in [
        ((LEAVES[1], 5, 5, path, root), "inclusion step 1"),
        ((LEAVES[1], 1, 5, [*path, root], root), "inclusion step 4a"),
        ((LEAVES[1], 1, 5, path[:-1], root), "inclusion step 5"),
        ((LEAVES[0], 1, 5, path, root), "inclusion step 5"),
    ]:
        with pytest.raises(ProofBroken) as raised:
            merkle.verify_inclusion(*broken)
        assert raised.value.step == step
    for sizes_, given_path, step in [
        ((3, 2), [], "consistency sizes"),
        ((3, 3), [root], "consistency step 1"),
        ((0, 3), [root], "consistency step 1"),
        ((3, 5), [], "consistency step 1"),
    ]:
        with pytest.raises(ProofBroken) as raised:
            merkle.verify_consistency(*sizes_, given_path, root, root)
        assert raised.value.step == step


def test_a_frontier_knows_where_subtrees_may_begin():
    line = merkle.Frontier()
    line.push_subtree(naive_root(0, 4), 4)
    line.push(LEAVES[4])
    assert line.root() == naive_root(0, 5)
    with pytest.raises(ValueError, match="begins"):
        line.push_subtree(LEAVES[0], 2)
    with pytest.raises(ValueError, match="peaks"):
        merkle.Frontier(5, [LEAVES[0]])
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_spans(5, 5)
    with pytest.raises(ValueError, match="cannot be the beginning"):
        merkle.consistency_spans(6, 5)
    for wrong in (b"", b"x" * 96, b"x" * 31):
        with pytest.raises(ValueError, match=r"power of two|odd"):
            merkle.perfect_root(wrong)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=9))
def test_rows_of_hashes_are_hashed_as_one_by_one(entries):
    row = b"".join(entries)
    assert merkle.leaf_hashes(row) == b"".join(map(leaf_hash, entries))
    if len(entries) % 2:
        with pytest.raises(ValueError, match="odd"):
            merkle.halve(row)
    else:
        pairs = zip(entries[::2], entries[1::2], strict=True)
        assert merkle.halve(row) == b"".join(node_hash(left, right) for left, right in pairs)


@given(st.integers(0, 8), st.sampled_from([0, 1, 31, 32]))
def test_a_perfect_root_is_the_tree_hash_of_a_power_of_two(height, more):
    row = b"".join(LEAVES[: 1 << height])
    assert merkle.perfect_root(row) == naive_root(0, 1 << height)
    if more and (more < 32 or height):
        with pytest.raises(ValueError, match=r"power of two|odd"):
            merkle.perfect_root(row + LEAVES[0][:more])


def test_every_step_of_a_proof_refuses_by_itself():
    """Each step names itself, also where a later one would have refused."""
    path = merkle.inclusion_path(1, 5, fetch)
    for length in range(len(path)):
        with pytest.raises(ProofBroken, match=f"ends early, after {length} hashes"):
            merkle.root_from_path(LEAVES[1], 1, 5, path[:length])
    with pytest.raises(ProofBroken, match=f"4a: the path goes on after {len(path)} hashes"):
        merkle.root_from_path(LEAVES[1], 1, 5, [*path, *path])
    for old, new in ((3, 5), (4, 7), (1, 2), (6, 8)):
        path, roots = merkle.consistency_path(old, new, fetch), (naive_root(0, old), naive_root(0, new))
        for wrong, told, step in (
            ([*path, LEAVES[0], LEAVES[1]], roots, f"6a: the path goes on after {len(path) + (old & (old - 1) == 0)}"),
            (path, (LEAVES[9], roots[1]), "7: the path leads to another (old|new) root"),
            (path, (roots[0], LEAVES[9]), "7: the path leads to another new root"),
        ):  # fmt: skip
            with pytest.raises(ProofBroken, match=step):
                merkle.verify_consistency(old, new, wrong, *told)
    # A path that ends early, with roots that fit what it says so far: only the end tells.
    path = merkle.consistency_path(4, 15, fetch)
    shorter = node_hash(naive_root(0, 4), path[0])
    with pytest.raises(ProofBroken, match="7: the path ends early"):
        merkle.verify_consistency(4, 15, path[:1], naive_root(0, 4), shorter)


def test_subtrees_of_every_size_are_pushed_where_they_begin():
    line, begin = merkle.Frontier(), 0
    for height in (3, 1, 0, 0, 2, 4, 5):
        leaves = 1 << height
        line.push_subtree(naive_root(begin, begin + leaves), leaves)
        begin += leaves
        assert (line.size, line.root()) == (begin, naive_root(0, begin))
    with pytest.raises(ValueError, match="begins"):
        line.push_subtree(LEAVES[0], 3)
