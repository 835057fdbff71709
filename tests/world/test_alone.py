"""Sovereign means alone: the whole main job in a network namespace with loopback and no way out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest
from tests.running import ROOT


def _into_namespace() -> list[str]:
    """The command that puts a program into a new network namespace; its last words say why it cannot be done."""
    if os.environ.get("MSINGI_TEST_NO_NETNS") == "1":
        pytest.skip("MSINGI_TEST_NO_NETNS=1: this machine cannot prove that the stack needs no network")
    unshare = which("unshare")
    if unshare is None:
        pytest.fail("network namespaces need `unshare` (package util-linux), or set MSINGI_TEST_NO_NETNS=1")
    # As another user than root the user stays the same, so that PostgreSQL starts as it does outside.
    asked = [unshare, "-n"] if os.geteuid() == 0 else [unshare, "-U", "-n", "--map-current-user", "--keep-caps"]
    tried = subprocess.run([*asked, "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.fail(
            f"this machine allows no network namespace ({tried.stderr.strip()}); run as root, allow unprivileged "
            "user namespaces, or set MSINGI_TEST_NO_NETNS=1"
        )
    return asked


def test_main_job_without_any_network(tmp_path: Path) -> None:
    """The stack starts, people sign in and the tour passes where no packet can leave; and none was even tried."""
    inside = [*_into_namespace(), sys.executable, "-m", "tests.world.alone", str(tmp_path / "home"), "60"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MSINGI_")}
    env = kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    ran = subprocess.run(inside, capture_output=True, text=True, cwd=ROOT, env=env, timeout=900)
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    print(json.dumps({k: v for k, v in told.items() if k != "tour_says"}))

    assert told["interfaces"] == ["lo"]
    assert told["routes"] == [] and told.get("ip_route", "") == ""
    assert set(told["leaving"]) <= {"ENETUNREACH", "EADDRNOTAVAIL", "EHOSTUNREACH"}, told["leaving"]
    assert told["no_route_then"] > told["no_route"], "this kernel does not count packets without a route"
    assert told["no_route"] == 0, f"{told['no_route']} packets were meant for somebody outside"

    assert told["signed_in"].startswith("/me")
    assert (told["figures"], told["reference"], told["fhir_search"], told["fhir_stranger"]) == (200, 200, 200, 422)
    assert told["tour"] == 0, told["tour_says"]
    assert told["stopped"] == 0
