"""Three of GovStack's suites against this stack: `GOVSTACK=<folder> BEHAVE=<its behave> pytest <this file>`.

The folder holds clones of bb-information-mediator, bb-digital-registries (`npm i` in test/openAPI) and bb-consent. It
is not part of `make test`, because the suites are foreign code that is fetched for the run. Their fixtures are made
real: the four providers that the first one names offer a service each, the second one's registers are those that a
sandbox fills, and the third one, which speaks HTTPS only, gets a certificate. A stub passes all three: a low bar.
"""

import asyncio
import json
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace
from tests.consent.people import agreement_order, steward
from tests.exchange.places import weather
from tests.site import web_app

from msingi.consent import acts as consent
from msingi.exchange import acts, registry
from msingi.kernel import clock
from msingi.registries import jobs

SUITES = Path(os.environ.get("GOVSTACK", "/nowhere"))
BEHAVE = os.environ.get("BEHAVE", "behave")
pytestmark = pytest.mark.skipif(not SUITES.exists(), reason="GOVSTACK names no folder")


def certificate(folder: Path) -> dict[str, str]:
    """A certificate of one day for the loopback address, as uvicorn wants it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "suite")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(clock.now() - timedelta(hours=1)).not_valid_after(clock.now() + timedelta(days=1))
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return {"ssl_certfile": str(folder / "cert.pem"), "ssl_keyfile": str(folder / "key.pem")}


@asynccontextmanager
async def serving(stack, **tls: str) -> AsyncIterator[str]:
    """The whole application on a free port; gives host and port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    config = uvicorn.Config(web_app(stack), host="127.0.0.1", port=port, log_level="error", lifespan="off", **tls)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


async def ran(folder: Path, *command: str, **more: str) -> None:
    """Run a suite to its end, with nothing of ours in its environment but `more`."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "no_proxy": "127.0.0.1"} | more
    made = await asyncio.create_subprocess_exec(*command, cwd=folder, env=env, stdout=asyncio.subprocess.DEVNULL)
    await made.wait()


def told(report: Path, scenarios: int) -> None:
    """Print how the scenarios ended; none may have failed, and all must have run."""
    ended, wrong, steps = Counter(), [], 0
    for feature in json.loads(report.read_bytes()):
        for one in feature.get("elements", ()):
            if one["type"] == "background":
                continue
            failed = [s for s in one["steps"] if s.get("result", {}).get("status") != "passed"]
            steps += sum(not s.get("hidden") for s in one["steps"])
            ended[Path(feature.get("uri") or feature["location"]).stem.split(":")[0], not failed] += 1
            wrong += [f"{one['name']}: {s['name']}: {s.get('result', {}).get('error_message')}" for s in failed[:1]]
    print(*sorted(f"{name} {'passed' if good else 'FAILED'} {n}" for (name, good), n in ended.items()), sep="\n")
    print(f"{sum(ended.values())} scenarios, {steps} steps, {len(wrong)} failed", *wrong, sep="\n")
    assert not wrong and sum(ended.values()) == scenarios


async def cucumber(stack, suite: str, address: str, scenarios: int) -> None:
    """Run one of the two cucumber suites with its address changed for the run."""
    folder = SUITES / suite / "test" / "openAPI"
    helpers = folder / "features" / "support" / "helpers" / "helpers.js"
    original = helpers.read_text("utf-8")
    async with serving(stack) as at:
        helpers.write_text(original.replace(address, f"http://{at}/"), "utf-8")
        report = folder / "report.json"
        try:
            await ran(folder, "node_modules/.bin/cucumber-js", "--parallel", "0", "--format", f"json:{report}")
        finally:
            helpers.write_text(original, "utf-8")
    told(report, scenarios)


async def test_the_information_mediator(stack):
    named = json.loads((SUITES / "bb-information-mediator/test/openAPI/test-data.json").read_bytes())["data"]
    for n, one in enumerate(named):
        owner = f"{one['memberClass']}/{one['memberCode']}/{one['applicationCode']}"
        described = {
            "openapi": "3.1.0", "info": {"title": "Suite", "version": "1"}, "paths": {},
            "x-xroad-service-code": one["service"][0]["serviceCode"],
        }  # fmt: skip
        registry.register_offer(
            f"suite-{n}", owner, weather, described, fields=("sky",), purposes=("statistics",), bases=("public-task",),
            title={"en": "Suite"}, about_person=False,
        )  # fmt: skip
    await acts.publish_registered(stack)
    names = ",".join(one["GovStackInstance"] for one in named)
    stack.settings = replace(stack.settings, govstack_instances=names)
    await cucumber(stack, "bb-information-mediator", "http://localhost:3366/", 28)


async def test_the_digital_registries(stack):
    stack.settings = replace(stack.settings, govstack_instances="eGovStack")
    await jobs.fill(stack)
    await cucumber(stack, "bb-digital-registries", "http://localhost:3333/", 57)


async def test_consent(stack, ctx_of, tmp_path):
    await consent.publish_agreement(stack, steward(ctx_of), agreement_order("suite"))
    folder, report = SUITES / "bb-consent" / "test" / "gherkin", tmp_path / "report.json"
    async with serving(stack, **certificate(tmp_path)) as at:
        where = {"CONSENTBB_API_HOST": at, "CONSENTBB_API_PATH": "/v1/consent/govstack"}
        await ran(folder, BEHAVE, "--format", "json", "--outfile", str(report), **where)
    told(report, 4)
