"""The embedded server starts again whatever the one before has left."""

import os
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from msingi.kernel.postgres import EmbeddedServer


def test_a_server_whose_death_nobody_has_noted_does_not_block_the_next(tmp_path: Path) -> None:
    """Killed, it is a zombie until its parent asks: PostgreSQL takes it for alive, and gives way to its socket lock."""
    directory = tmp_path / "pg"
    server = EmbeddedServer(directory)
    folder = Path(parse_qs(urlsplit(server.url).query)["host"][0])
    server.stop()
    owner = directory.stat().st_uid
    dead = subprocess.Popen(["true"], user=owner if os.getuid() != owner else None)
    try:
        time.sleep(0.3)  # it has ended, and nobody has asked
        lock = folder / ".s.PGSQL.5432.lock"
        lock.write_text(f"{dead.pid}\n{directory}\n0\n5432\n{folder}\n")
        lock.chmod(0o644)
        again = EmbeddedServer(directory)
        assert again.alive()
        again.stop()
    finally:
        dead.wait()
