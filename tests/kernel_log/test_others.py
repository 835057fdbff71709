"""What we issue, read by other people's code: npm @sigstore/verify, and Debian's node."""

import json
import subprocess
from pathlib import Path

import pytest

from msingi.kernel.log import sequencer
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
