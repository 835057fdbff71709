"""GovStack's bb-payments suite against this stack: `GOVSTACK=<its test/openAPI, installed> pytest <this file>`.

It is not part of `make test`, because the suite is foreign code that is fetched for the run. It signs nobody in, pays
in US dollars and in dirhams, and names vouchers that only its mock knows (serial number 5550, the number 6004). Here
they are printed paper: officials issue vouchers with these numbers, hand out, spend and let end those that the
scenarios need so, and approve the shops that it names. Everything then goes through the doors as it is.
"""

import asyncio
import json
import os
import socket
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from msgspec import structs
from tests.payments import kit
from tests.payments.test_vouchers import BOSS, CLERK, SELLER
from tests.site import web_app

from msingi.kernel import clock
from msingi.kernel.money import Currency
from msingi.payments import acts as ledger
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import MerchantOrder
from msingi.payments.model import AccountKind
from msingi.payments.vouchers import acts, funding, jobs, spending
from msingi.payments.vouchers.model import SchemeOrder, ShopOrder, Spending, VoucherOrder

SUITE = Path(os.environ.get("GOVSTACK", "/nowhere"))
GROUPS = ("Payment Voucher", "string")
SYSTEMS = ("Gov_Stack_BB", "bb-digital-registries")
SHOPS = {"Melissa Stephenson": "Citizen Service Banks", "Ronan Oliver": "Vigor Bank Group"}
ACTIVE = ("6001", "6004", *(f"{n}" for n in range(5555, 5560)), *(f"6000{n}" for n in range(6)))
WAITING = (*(f"{n}" for n in range(5550, 5555)), "5560")


async def stock(stack) -> None:
    """The vouchers and shops that the scenarios name."""
    source = await kit.treasury(stack, 10**9, currency="AED")
    till = await ledger.open_account(stack, kit.SAMPLE, "zahanati", AccountKind.MERCHANT, currency="AED")
    order = SchemeOrder("SUITE", "Suite", source.number, GROUPS, systems=SYSTEMS, digits=2)
    scheme = await acts.open_scheme(stack, CLERK, order)
    await funding.put_in(stack, BOSS, scheme.scheme_id, "in", 10**7)
    for n, (name, details) in enumerate(SHOPS.items()):
        wanted = MerchantOrder(key=f"s{n}", name=name, latin=name[:25], city="X", category="5411", account=till.number)
        shop = await bank.register_merchant(stack, SELLER, wanted)
        await acts.approve_shop(stack, BOSS, scheme.scheme_id, ShopOrder(shop.code, GROUPS, details))
    orders = [
        VoucherOrder(serial, 1_000, GROUPS[0], serial=serial, number=serial if serial == "6004" else f"9{serial}")
        for serial in (*ACTIVE, *WAITING)
    ]
    await acts.issue_vouchers(stack, CLERK, scheme.scheme_id, orders)
    await acts.activate_vouchers(stack, CLERK, list(ACTIVE))
    await spending.take_for_shop(stack, CLERK, Spending("used", "96001"), "Citizen Service Banks")
    long_ago = structs.replace(CLERK, at=clock.now() - timedelta(days=91))
    old = VoucherOrder("6002", 1_000, GROUPS[0], serial="6002", number="96002")
    await acts.issue_vouchers(stack, long_ago, scheme.scheme_id, [old])
    await jobs.keep(stack)  # its time is over


@pytest.mark.skipif(not SUITE.exists(), reason="GOVSTACK names no folder")
async def test_the_suite(stack):
    dollars = Currency("USD", 2, "840", "$")
    stack.profile = structs.replace(stack.profile, currency=dollars)
    stack.settings = structs.replace(stack.settings, sandbox=True, govstack_instances="payments:hazina")
    await kit.treasury(stack, 10**9)
    await stock(stack)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    config = uvicorn.Config(web_app(stack), host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    helpers = SUITE / "features" / "support" / "helpers" / "helpers.js"
    original = helpers.read_text("utf-8")
    helpers.write_text(original.replace("http://localhost:3333/", f"http://127.0.0.1:{port}/"), "utf-8")
    report = SUITE / "report.json"
    try:
        command = [str(SUITE / "node_modules/.bin/cucumber-js"), "--format", f"json:{report}"]
        made = await asyncio.create_subprocess_exec(*command, cwd=SUITE, stdout=asyncio.subprocess.DEVNULL)
        await made.wait()
    finally:
        helpers.write_text(original, "utf-8")
        server.should_exit = True
        await serving
    ended, wrong = Counter(), []
    for feature in json.loads(report.read_bytes()):
        for scenario in feature["elements"]:
            failed = [step for step in scenario["steps"] if step["result"]["status"] != "passed"]
            ended[Path(feature["uri"]).stem, not failed] += 1
            said = failed[0]["result"].get("error_message", "")[:200] if failed else ""
            wrong += [f"{scenario['name']}: {failed[0]['name']}: {said}"] if failed else []
    print(
        *sorted(f"{name} {'passed' if good else 'failed'} {count}" for (name, good), count in ended.items()), sep="\n"
    )
    print(*wrong, sep="\n")
    assert not wrong
