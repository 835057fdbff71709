"""What we issue, read by other people's code: npm @sigstore/verify and @noble/post-quantum, and Go's sumdb."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.kernel_log.conftest import put

from msingi.kernel.log import merkle, note, sequencer, store, witness
from msingi.kernel.log.note import b64
from msingi.kernel.log.proof import proof_of

JS = Path(__file__).parents[1] / "js"


def by_sigstore(proof: str, vkey: str) -> subprocess.CompletedProcess[str]:
    sent = json.dumps({"proof": proof, "vkey": vkey})
    command = ["node", str(JS / "verify_log_proof.cjs")]
    return subprocess.run(command, input=sent, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
async def proofs(stack, person, act, unsealed):
    """Proofs of records of transactions with 1 to 6 records, in a log that grew in several steps."""
    people = [await person() for _ in range(6)]
    wanted = []
    for count in range(1, 7):
        records = await act(*people[:count], what=f'among {count} – "ndiyo"\n/é')
        await sequencer.catch_up(stack)
        wanted.append((people[count - 1], records[count - 1]))
    await sequencer.catch_up(stack)
    return [await proof_of(stack, p, r, await unsealed(p, r)) for p, r in wanted]


async def test_sigstore_accepts_our_proofs(stack, proofs):
    vkey = str(sequencer.log_vkeys(stack.keys, stack.settings.origin)[0])
    for count, proof in enumerate(proofs, start=1):
        seen = by_sigstore(proof, vkey)
        assert seen.returncode == 0, seen.stderr
        answer = json.loads(seen.stdout)
        assert answer["origin"] == stack.settings.origin
        assert answer["record"]["detail"]["what"] == f'among {count} – "ndiyo"\n/é'


async def test_cosignatures_are_accepted_by_other_peoples_ed25519_and_ml_dsa_and_changed_ones_are_not(stack, proofs):
    async with stack.db.plumbing() as conn:
        head = await store.newest(conn)
    assert head is not None
    notary = witness.notary_of(stack.keys, "witness.example/w1")
    text, at_s = note.parse_note(head.note).text, 1_790_000_000
    signed = note.Note(text, notary.cosign(text, at_s))
    vkeys = [str(vkey) for vkey in notary.vkeys()]
    accepted = cosigned(str(signed), vkeys)
    assert accepted.stdout.split("\n")[:2] == [f"witness.example/w1 {kind} {at_s}" for kind in (4, 6)], accepted.stderr
    other = [str(v) for v in witness.notary_of(stack.keys, "witness.example/w2").vkeys()]
    later = [msgspec.structs.replace(s, blob=(at_s + 1).to_bytes(8) + s.blob[8:]) for s in signed.signatures]
    for changed, keys in (
        (str(signed).replace(f"\n{head.size}\n", f"\n{head.size + 1}\n"), vkeys),
        (str(signed).replace(stack.settings.origin, "other.example/log", 1), vkeys),
        (str(note.Note(text, later)), vkeys), (str(signed), other),
    ):  # fmt: skip
        refused = cosigned(changed, keys)
        assert refused.returncode == 1 and not refused.stdout


def cosigned(text: str, vkeys: list[str]) -> subprocess.CompletedProcess[str]:
    command = ["node", str(JS / "verify_cosignature.mjs")]
    sent = json.dumps({"note": text, "vkeys": vkeys})
    return subprocess.run(command, input=sent, capture_output=True, text=True, timeout=60)


async def test_sigstore_refuses_what_was_changed(stack, proofs):
    vkey = str(sequencer.log_vkeys(stack.keys, stack.settings.origin)[0])
    proof = proofs[3]
    index = next(line for line in proof.splitlines() if line.startswith("index "))
    size = proof.partition("\n\n")[2].splitlines()[1]
    for bad in (
        proof.replace(index, "index 0"),
        proof.replace(f"\n{size}\n", f"\n{int(size) + 1}\n"),
        proofs[2].splitlines()[1] + proof[proof.index("\nindex") :],
        "\n".join([proof.splitlines()[0], proofs[2].splitlines()[1], *proof.splitlines()[2:], ""]),
    ):
        assert by_sigstore(bad, vkey).returncode != 0
    stack.keys.rotate("log")
    other = str(sequencer.log_vkeys(stack.keys, stack.settings.origin)[0])
    assert by_sigstore(proof, other).returncode != 0


def sumdb() -> tuple[str, Path]:
    """The Go compiler, and where golang.org/x/mod stands: Debian's package, or the copy inside Go itself."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go here: apt install golang-go golang-golang-x-mod-dev")
    root = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, timeout=60).stdout.strip()
    for place in (Path("/usr/share/gocode/src/golang.org/x/mod"), Path(root) / "src/cmd/vendor/golang.org/x/mod"):
        if (place / "sumdb/note").is_dir() and (place / "sumdb/tlog").is_dir():
            return go, place
    pytest.skip("Go is here without golang.org/x/mod: apt install golang-golang-x-mod-dev")


@pytest.fixture(scope="module")
def by_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A verifier built out of Go's own transparency log packages, without a network."""
    go, place = sumdb()
    folder = tmp_path_factory.mktemp("go")
    for package in ("sumdb/note", "sumdb/tlog"):
        shutil.copytree(place / package, folder / "mod" / package, ignore=shutil.ignore_patterns("*_test.go"))
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60).stdout
    language = ".".join(version.strip().removeprefix("go").split(".")[:2])
    (folder / "mod/go.mod").write_text(f"module golang.org/x/mod\n\ngo {language}\n")
    (folder / "main.go").write_text((Path(__file__).parent / "verify.go.txt").read_text("utf-8"))
    (folder / "go.mod").write_text(
        f"module verify\n\ngo {language}\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n"
    )
    alone = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "on", "GOTOOLCHAIN": "local"}
    built = subprocess.run(  # the first time on a machine this compiles Go's library, half a minute
        [go, "build", "-o", "verify", "."], cwd=folder, env=os.environ | alone, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return folder / "verify"


async def test_sumdb_accepts_our_heads_and_proofs_and_refuses_others(stack, owner, by_go):
    """Inclusion in trees of several sizes, and consistency from each size to the last."""
    entries = await put(owner, 1)
    await sequencer.catch_up(stack)
    async with stack.db.plumbing() as conn:
        first = await store.newest(conn)
    assert first is not None
    at, olds = first.size - 1, [first]
    for count in (6, 250, 700):
        entries += await put(owner, count)
        await sequencer.catch_up(stack)
        async with stack.db.plumbing() as conn:
            head = await store.newest(conn)
            assert head is not None
            for index in (at, at + len(entries) // 2, at + len(entries) - 1):
                old = olds[-1]
                grown = merkle.consistency_spans(old.size, head.size)
                sent = {
                    "Note": head.note,
                    "Vkey": str(sequencer.log_vkeys(stack.keys, stack.settings.origin)[0]),
                    "Index": index,
                    "Entry": b64(entries[index - at]),
                    "Path": [b64(h) for h in await store.path(conn, merkle.inclusion_spans(index, head.size))],
                    "Old": old.size,
                    "OldRoot": b64(old.root),
                    "Consistency": [b64(h) for h in await store.path(conn, grown)],
                }
                seen = go_says(by_go, sent)
                assert seen.stdout == f"{stack.settings.origin} {head.size}\n", seen.stderr
        olds.append(head)
    for wrong in (
        {"Index": 0},
        {"Entry": b64(bytes(32))},
        {"OldRoot": b64(bytes(32))},
        {"Note": str(sent["Note"]).replace(f"\n{head.size}\n", f"\n{head.size + 1}\n")},
    ):
        assert go_says(by_go, sent | wrong).returncode == 1, wrong


def go_says(verifier: Path, sent: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([verifier], input=json.dumps(sent), capture_output=True, text=True, timeout=60)
