"""A seeded load on a running sandbox that remembers what was acknowledged, while somebody kills the stack.

Every intention has a key of its own and is sent once or several times, at once or much later; what the stack
acknowledged is kept here, outside of it. An answer that is neither an acknowledgement, nor a refusal that the
intention allows, nor 503, is a `fault`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urljoin

import click
import httpx
from tests.world.callers import Caller, Institution

from msingi.cli.visitor import Visitor

Send = Callable[[], Awaitable[httpx.Response]]
LOST = (httpx.HTTPError, OSError)
TRIES_S, PAUSE_S = 0.15, 0.05


class Intention:
    """Something that somebody wants once: how to send it, and what the stack answered."""

    def __init__(self, kind: str, key: str, send: Send, read: Callable[[httpx.Response], str]) -> None:
        self.kind, self.key, self.send, self.read = kind, key, send, read
        self.acknowledged: set[str] = set()
        self.faults: list[str] = []
        self.sent = 0

    async def attempt(self) -> bool:
        """Send it once; True if it was acknowledged."""
        self.sent += 1
        try:
            answer = await self.send()
        except LOST:
            return False
        if answer.status_code == 503:
            return False
        try:
            self.acknowledged.add(self.read(answer))
        except Exception as wrong:
            place = f"{answer.request.method} {answer.request.url.path}"
            self.faults.append(f"{self.key}: {place} {answer.status_code} {wrong!r} {answer.text[:300]}")
            return False
        return True


def _enrolled(answer: httpx.Response) -> str:
    assert answer.status_code in (201, 202), "not enrolled"
    body = answer.json()
    return body.get("number") or body["case_id"]


def _paid(answer: httpx.Response) -> str:
    assert answer.status_code == 303, "not paid"
    return answer.headers["location"].rpartition("/")[2]


def _recorded(answer: httpx.Response) -> str:
    assert answer.status_code == 200, "not recorded"
    return answer.json()["entry"][0]["response"]["location"]


def _asked(answer: httpx.Response) -> str:
    assert answer.status_code in (200, 201), "not asked"
    return answer.json()["request_id"]


class Consents:
    """What one person was told about their consents, in order: (consent id, state)."""

    def __init__(self, who: Caller) -> None:
        self.who = who
        self.told: list[tuple[str, str]] = []
        self.faults: list[str] = []

    async def change(self) -> None:
        """Say yes, then no, each until it is acknowledged or the stack is gone."""
        order = {"agreement": "patient-summary", "version": 1}
        given = await self._told("/v1/consent/consents", order)
        if given:
            await self._told(f"/v1/consent/consents/{given}/withdrawal", None)

    async def _told(self, path: str, body: Any) -> str:
        try:
            answer = await self.who.http.post(path, json=body)
        except LOST:
            return ""
        if answer.status_code == 503:
            return ""
        if answer.status_code == 201:
            receipt = answer.json()
            self.told.append((receipt["consent_id"], receipt["state"]))
            return receipt["consent_id"]
        self.faults.append(f"{path}: {answer.status_code} {answer.text[:300]}")
        return ""


class Load:
    """All that is wanted of one sandbox, and who wants it. The same seed wants the same things."""

    def __init__(self, seed: int, number_system: str) -> None:
        self.chance = random.Random(seed)
        self.number_system = number_system
        self.intentions: list[Intention] = []
        self.consents: list[Consents] = []
        self.faults: list[str] = []
        self.going = False

    def want(self, kind: str, send: Send, read: Callable[[httpx.Response], str], key: str) -> Intention:
        """Note an intention before it is sent for the first time."""
        made = Intention(kind, key, send, read)
        self.intentions.append(made)
        return made

    def key(self, kind: str) -> str:
        """A key that no other intention has."""
        return f"{kind}-{len(self.intentions)}-{self.chance.getrandbits(32):08x}"

    async def repeat(self, made: Intention) -> None:
        """Send it, often several times at once, and some old ones again in between."""
        copies = self.chance.choice((1, 1, 2, 3))
        await asyncio.gather(*(made.attempt() for _ in range(copies)))
        if self.chance.random() < 0.3:
            await self.chance.choice(self.intentions).attempt()
        await asyncio.sleep(PAUSE_S if made.acknowledged else TRIES_S)

    async def enrol(self, officer: Caller) -> None:
        """An officer enrols people, one after the other."""
        while self.going:
            key = self.key("enrol")
            letters = "".join(self.chance.choices("abcdefghijklmnopqrstuvwxyz", k=20))
            year = f"{self.chance.randrange(1940, 2000)}"
            order = {"name": {"given": letters[:10], "family": letters[10:]}, "birth": {"date": year}}

            def send(order: Any = order, key: str = key) -> Awaitable[httpx.Response]:
                return officer.http.post("/v1/identity/enrolments", json=order, headers={"Idempotency-Key": key})

            await self.repeat(self.want("enrol", send, _enrolled, key))

    async def record(self, clinician: Caller, numbers: list[str]) -> None:
        """A clinician records observations of people whom the clinic knows."""
        while self.going:
            key, number = self.key("record"), self.chance.choice(numbers)
            observed = {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": key},
                "subject": {"reference": f"Patient?identifier={self.number_system}|{number}"},
                "valueInteger": self.chance.randrange(100),
            }
            entry = {"resource": observed, "request": {"method": "POST", "url": "Observation"}}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}

            def send(bundle: Any = bundle, key: str = key) -> Awaitable[httpx.Response]:
                headers = {"Idempotency-Key": key}
                return clinician.http.post("/fhir", json=bundle, headers=headers)

            await self.repeat(self.want("record", send, _recorded, key))

    async def pay(self, payer: Visitor, payees: list[str]) -> None:
        """A person sends money at the portal: writes, checks, confirms; the confirmation is what comes twice."""
        while self.going:
            amount = self.chance.randrange(1, 50)
            try:
                made = await self._checked(payer, self.chance.choice(payees), amount)
            except (*LOST, click.ClickException) as wrong:
                # A look-up too many, or a stack that is gone: nothing was confirmed yet, so nothing is owed.
                self._no_bug(wrong)
                await asyncio.sleep(TRIES_S * 4)
                continue
            await self.repeat(made)

    def _no_bug(self, wrong: Exception) -> None:
        if isinstance(wrong, click.ClickException) and ": 500" in wrong.message:
            self.faults.append(wrong.message)

    async def _checked(self, payer: Visitor, phone: str, amount: int) -> Intention:
        page = await payer.open("/me/money/send")
        page = await payer.submit(page, page.form("phone"), phone=phone, amount=str(amount), note="")
        form = page.form(action="confirm")
        fields, target = dict(form.form_values()), urljoin(page.url, form.action)

        def send() -> Awaitable[httpx.Response]:
            return payer.client.post(target, data=fields, follow_redirects=False)

        key = self.key("pay")
        made = self.want("pay", send, _paid, key)
        made.key = f"{key}:{amount}"
        return made

    async def ask(self, hospital: Institution, numbers: list[str]) -> None:
        """A hospital asks people for their consent, by signed requests."""
        while self.going:
            number = self.chance.choice(numbers)
            wish = {"person": number, "agreement": "patient-summary", "reason": self.key("ask")}

            def send(wish: Any = wish) -> Awaitable[httpx.Response]:
                return hospital.send("POST", "/v1/consent/requests", wish)

            made = self.want("ask", send, _asked, wish["reason"])
            if not await made.attempt():
                await asyncio.sleep(TRIES_S)
            await asyncio.sleep(0.1)

    async def consent(self, who: Caller) -> None:
        """A person allows and withdraws, again and again."""
        mine = Consents(who)
        self.consents.append(mine)
        while self.going:
            before = len(mine.told)
            await mine.change()
            await asyncio.sleep(0.1 if len(mine.told) > before else TRIES_S)

    def of(self, kind: str) -> list[Intention]:
        """All intentions of a kind."""
        return [made for made in self.intentions if made.kind == kind]

    @property
    def wrong(self) -> list[str]:
        """Every answer that should not have been given."""
        told = [fault for made in (*self.intentions, *self.consents) for fault in made.faults]
        twice = [f"{made.key}: {made.acknowledged}" for made in self.intentions if len(made.acknowledged) > 1]
        return [*self.faults, *told, *twice]
