"""The auditor outside finds what was done to a history, and says where: with public keys and a copy, nothing else."""

import json
import os
import re
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.kernel_log.conftest import put

from msingi.cli.audit import MEANS
from msingi.cli.audit import audit as command
from msingi.kernel.log import merkle, note, outsider, sequencer
from msingi.kernel.log.note import Checkpoint, Note, Vkey
from msingi.kernel.log.tiles import ENTRIES, Edge, Tile, bundle, changed, grow, path, unbundle

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
ORIGIN = "country.example/log"
VKEY = Vkey(ORIGIN, note.ED25519, PUBLIC)
SIZES = (100, 300, 700, 1_300)
ENTRIES_OF = [os.urandom(32) for _ in range(SIZES[-1])]


def head(entries: list[bytes], key: Ed25519PrivateKey = KEY) -> str:
    root = merkle.tree_root([merkle.leaf_hash(e) for e in entries])
    text = str(Checkpoint(ORIGIN, len(entries), root))
    return str(Note(text, (note.sign(text, ORIGIN, key, PUBLIC),)))


def write(
    folder: Path, entries: list[bytes], heads: tuple[int, ...] = SIZES, signed: list[bytes] | None = None
) -> Path:
    """A copy of a log of these entries; its heads are of `signed`, where these are other entries."""
    told = signed or entries
    _, written = grow(Edge(), b"".join(entries))
    content = {(tile.level, tile.n): raw for tile, raw in written}
    for tile in changed(0, len(entries)):
        file = folder / path(tile)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content[tile.level, tile.n])
    (folder / "checkpoints").mkdir(exist_ok=True)
    for size in heads:
        (folder / "checkpoints" / f"{size:019d}").write_text(head(told[:size]), "utf-8")
    (folder / "checkpoint").write_text(head(told[: len(entries)]), "utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("log") / "copy", ENTRIES_OF)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def problems(folder: Path, *seen: str) -> list[tuple[str, str]]:
    report = outsider.audit(outsider.Folder(folder), [VKEY], seen)
    return [(p.code, p.where) for p in report.problems]


def edit(folder: Path, tile: Tile, entries: list[bytes]) -> None:
    (folder / path(tile)).write_bytes(bundle(b"".join(entries)))


def entries_in(folder: Path, tile: Tile) -> list[bytes]:
    raw = unbundle((folder / path(tile)).read_bytes())
    return [raw[i : i + 32] for i in range(0, len(raw), 32)]


def test_a_sound_copy_has_no_findings(copy: Path) -> None:
    report = outsider.audit(outsider.Folder(copy), [VKEY], [head(ENTRIES_OF[:55])])
    assert not report.problems and (report.size, report.heads) == (1_300, 5)


def test_a_changed_entry_is_named(copy: Path) -> None:
    tile = Tile(ENTRIES, 2, 256)
    row = entries_in(copy, tile)
    row[88] = os.urandom(32)
    edit(copy, tile, row)
    assert problems(copy) == [("changed", "entry 600")]


def test_a_deleted_entry_is_named(copy: Path) -> None:
    kept = ENTRIES_OF[:600] + ENTRIES_OF[601:]
    for n in range(6):
        row = kept[n * 256 : n * 256 + 256]
        edit(copy, Tile(ENTRIES, n, min(256, 1_300 - n * 256)), row)
    found = problems(copy)
    assert found[0] == ("deleted", "entry 600") and len(found) <= 3
    assert {code for code, _ in found[1:]} <= {"tile-missing", "bundle-broken"}


def test_reordered_entries_are_named(copy: Path) -> None:
    tile = Tile(ENTRIES, 2, 256)
    row = entries_in(copy, tile)
    row[88], row[90] = row[90], row[88]
    edit(copy, tile, row)
    assert problems(copy) == [("reordered", "entries 600, 602")]


def test_a_history_rewritten_with_all_its_tiles_is_caught_between_two_heads(tmp_path: Path) -> None:
    """The operator changes an entry and computes everything anew: the heads of earlier days still say what was."""
    other = [*ENTRIES_OF[:350], os.urandom(32), *ENTRIES_OF[351:]]
    folder = write(tmp_path, other, signed=ENTRIES_OF)
    assert problems(folder) == [("history-changed", "entries 300 to 699")]


def test_a_fork_shows_both_heads(tmp_path: Path) -> None:
    """The operator signs the rewritten history as well: whoever holds an old head holds the proof of the fork."""
    other = [*ENTRIES_OF[:350], os.urandom(32), *ENTRIES_OF[351:]]
    folder = write(tmp_path, other)
    assert problems(folder) == []
    held = head(ENTRIES_OF[:700])
    report = outsider.audit(outsider.Folder(folder), [VKEY], [held])
    assert [(p.code, p.where) for p in report.problems] == [("fork", "size 700")]
    assert report.forks == [(head(other[:700]), held)]
    # A head of a size that the forked log never signed is caught by the entries themselves.
    assert problems(folder, head(ENTRIES_OF[:400])) == [("history-changed", "entries 300 to 399")]
    assert problems(folder, head(ENTRIES_OF[:350])) == []


def test_a_log_that_was_cut_off_is_behind_what_people_hold(tmp_path: Path) -> None:
    folder = write(tmp_path, ENTRIES_OF[:700], heads=(100, 300))
    assert problems(folder, head(ENTRIES_OF)) == [("cut-off", "entries 700 to 1299")]


def test_tiles_that_lie_or_lack_are_named(copy: Path) -> None:
    upper = copy / path(Tile(1, 0, 5))
    raw = bytearray(upper.read_bytes())
    raw[32] ^= 1
    upper.write_bytes(raw)
    (copy / path(Tile(0, 3, 256))).unlink()
    assert problems(copy) == [
        ("tile-missing", "tile/0/003"),
        ("tree-changed", "entries 256 to 511"),
    ]


def test_foreign_and_forged_heads_prove_nothing(copy: Path) -> None:
    forged = head(ENTRIES_OF[:200][::-1], Ed25519PrivateKey.generate())
    assert problems(copy, forged) == [("head-broken", ORIGIN)]
    (copy / "checkpoint").write_text(forged, "utf-8")
    with pytest.raises(outsider.NoCopy):
        problems(copy)


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def test_the_command_keeps_a_copy_and_remembers_what_it_saw(whole: Path, tmp_path: Path) -> None:
    """From a plain file server, as nginx would serve it; then the log is rewritten, and the kept heads tell."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    served = tmp_path / "served"
    shutil.copytree(whole, served)
    shutil.rmtree(served / "checkpoints")
    doors = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    threading.Thread(target=doors.serve_forever, daemon=True).start()
    url, keep = f"http://127.0.0.1:{doors.server_port}", str(tmp_path / "kept")
    try:
        first = run(url, "--vkey", str(VKEY), "--keep", keep)
        assert first.exit_code == 0 and "sound" in first.output, first.output
        assert run(keep, "--vkey", str(VKEY)).exit_code == 0
        shutil.rmtree(served)
        write(served, [os.urandom(32), *ENTRIES_OF[1:]])
        shutil.rmtree(served / "checkpoints")
        second = run(url, "--vkey", str(VKEY), "--keep", keep, "--json")
        assert second.exit_code == 1
        assert [p["code"] for p in json.loads(second.output)["problems"]] == ["fork", "not-as-kept"]
        assert run(keep, "--vkey", str(VKEY), "--quorum", "1").exit_code == 1
    finally:
        doors.shutdown()
        doors.server_close()
    assert run(url, "--vkey", str(VKEY)).exit_code == 2
    assert run(str(tmp_path / "nowhere"), "--vkey", str(VKEY)).exit_code == 1
    assert run(keep).exit_code == 2


def test_a_kept_copy_names_the_entries_of_a_rewritten_history_and_stays_as_it_was(copy: Path, tmp_path: Path) -> None:
    """Everything was computed anew and signed anew; what the auditor kept is not written over by it."""
    keep, place = tmp_path / "kept", Tile(ENTRIES, 1, 256)
    assert run(str(copy), "--vkey", str(VKEY), "--keep", str(keep)).exit_code == 0
    before = {file: file.read_bytes() for file in (keep / "tile").rglob("*") if file.is_file()}
    other = [*ENTRIES_OF[:350], os.urandom(32), *ENTRIES_OF[351:], os.urandom(32)]
    grown = write(tmp_path / "grown", other, heads=())
    told = run(str(grown), "--vkey", str(VKEY), "--keep", str(keep))
    assert told.exit_code == 1 and "entry 350: Not what the kept copy says" in told.output, told.output
    assert "NOT SOUND" in told.output and "What to do" in told.output
    assert all(file.read_bytes() == raw for file, raw in before.items())
    assert entries_in(keep / "differs", place)[350 - 256] == other[350]
    assert problems(keep) == [("cut-off", "entries 1300 to 1300")]  # its own are sound; the new head is there too


def test_each_finding_is_explained() -> None:
    source = Path(outsider.__file__).read_text("utf-8")
    assert set(re.findall(r'\.add\(\s*"([a-z-]+)"', source)) == set(MEANS)


async def test_our_own_log_passes_over_its_doors(stack, owner, client) -> None:
    for count in (3, 400, 5):
        await put(owner, count)
        await sequencer.catch_up(stack)
    read: dict[str, bytes] = {}

    class Doors:
        """What the doors gave, fetched beforehand."""

        def read(self, where: str) -> bytes | None:
            return read.get(where)

        def heads(self) -> list[str]:
            return json.loads(read["checkpoints"])

    for where in ("checkpoint", "checkpoints"):
        answer = await client.get(f"/log/{where}")
        assert answer.status_code == 200
        read[where] = answer.content
    size = note.parse_checkpoint(note.parse_note(read["checkpoint"]).text).size
    for tile in changed(0, size):
        read[path(tile)] = (await client.get(f"/log/{path(tile)}")).content
    report = outsider.audit(Doors(), sequencer.log_vkeys(stack.keys, stack.settings.origin))
    assert not report.problems and report.heads >= 4 and report.size == size
