"""Run Mojaloop's Testing Toolkit against the switch: `python -m tests.payments_switch.toolkit HELP`.

    python -m tests.payments_switch.toolkit serve PORT CALLBACKS hub.json
        a switch on a database of its own, with the participants that the toolkit's cases name; the toolkit's own
        participant gets its callbacks at CALLBACKS (http://127.0.0.1:4040) and signs with the key in its environment
        hub.json; the payees answer from this program
    python -m tests.payments_switch.toolkit environment hub.json PORT CALLBACKS > env.json
        the toolkit's environment, with every host set to this switch

docs/how-to/run-the-switch.md tells how the toolkit itself is installed and started.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from tests.payments_switch import kit
from tests.payments_switch.fsp import payee

from msingi import app, countries
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments.switch import acts, settling
from msingi.payments.switch.model import Proof

TOOLKIT = "testingtoolkitdfsp"
PAYEES = ("payeefsp", "payerfsp", "testfsp1", "testfsp2", "testfsp3", "testfsp4")
SILENT = ("noresponsepayeefsp",)


async def serve(port: int, callbacks: str, source: str) -> None:
    """Serve until it is stopped."""
    import httpx

    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "pg", "")
        await migrate(server.url)
        settings = Settings(home=Path(folder) / "home", port=port, sandbox=True)
        stack = await Stack.open(settings, as_app(server.url), countries.load("taifa"))
        app.load_policies()
        for code in ("USD", "XXX", "XTS"):
            await kit.currency(stack, code)
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")
        for name in (*PAYEES, *SILENT):
            made = await kit.participant(
                stack, client, name, cover=10**9, limit=10**9, reply=payee if name in PAYEES else None,
                proof=Proof.NETWORK,
            )  # fmt: skip
            print(name, made.endpoint, flush=True)
        found = json.loads(Path(source).read_text("utf-8"))
        private = load_pem_private_key(found.get("inputValues", found)["TTKFSP_JWS_KEY"].encode(), None)
        key = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        await acts.join(stack, kit.setup(), TOOLKIT, TOOLKIT, TOOLKIT, key, callbacks, Proof.NETWORK)
        for code in ("USD", "XXX", "XTS"):
            for name in (TOOLKIT, *PAYEES):
                await acts.open_accounts(stack, kit.setup(), name, code)
                await settling.bring_cover(stack, kit.setup(), name, code, 10**9, f"{name}-{code}")
                await settling.set_limit(stack, kit.setup(), name, code, 10**9)
        config = uvicorn.Config(app.build(stack), port=port, log_level="warning", access_log=False)
        await uvicorn.Server(config).serve()


def environment(source: str, port: int, callbacks: str) -> None:
    """Print the toolkit's environment for this switch."""
    found = json.loads(Path(source).read_text("utf-8"))
    values = found.get("inputValues", found)
    for name in values:
        if name.startswith("HOST_"):
            values[name] = f"http://127.0.0.1:{port}/fspiop"
        if name.endswith("_BACKEND_TESTAPI_URL"):
            values[name] = f"http://127.0.0.1:{port}/nowhere"
    values["CALLBACK_ENDPOINT_BASE_URL"] = callbacks
    values["ENABLE_WS_ASSERTIONS"] = False
    values["HUB_NAME"] = "hub"
    for resource in ("Parties", "Participants", "Quotes", "Transfers", "TransactionRequests"):
        name = f"application/vnd.interoperability.{resource[0].lower()}{resource[1:]}+json;version="
        for kind in ("accept", "contentType"):
            values |= {f"{kind}{resource}Old": name + "1.0", f"{kind}{resource}NotSupported": name + "2.0"}
    values |= {k: v.replace("1.0", "1.1") for k, v in values.items() if k.startswith("expected") and isinstance(v, str)}
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), sys.argv[3], sys.argv[4]))
    elif sys.argv[1:2] == ["environment"]:
        environment(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        print(__doc__)
