"""A small exchange for tests: the registry office offers a service, hospital and bank have software with keys."""

from typing import Any

import httpx

from msingi.exchange import acts, client, registry
from msingi.exchange.model import InstitutionId, JoinOrder, Right, RightOrder, ServiceCode, SubsystemId
from msingi.kernel.context import Context, Kind
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

OWNER = "GOV/rita/identity"
HOSPITAL, BANK = "GOV/hospitali/records", "COM/benki/accounts"
SERVICE = "XT/GOV/rita/identity/person"
KEYS = {HOSPITAL: client.new_key(), BANK: client.new_key()}
FIELDS = ("name", "birth_date", "phone")
asked: list[dict[str, Any]] = []


async def person_fields(
    stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str, body: bytes,
    fields: tuple[str, ...],
) -> dict[str, Any]:  # fmt: skip
    """What the registry office says about somebody: more than anybody is granted."""
    asked.append({"ctx": ctx, "person": person_id, "method": method, "path": path, "body": body, "fields": fields})
    return {
        "name": {"given": "Asha", "family": "Mrisho"},
        "birth_date": "1990-02-03",
        "phone": "+255700000001",
        "secret": "never",
    }


def offer_services() -> None:
    """Register the services of the registry office."""
    registry.register_offer(
        "person", OWNER, person_fields, {"openapi": "3.1.0", "info": {"title": "Person", "version": "1"}},
        fields=FIELDS, purposes=("health-care", "payment", "identity-proofing"),
        bases=("consent", "contract", "vital-interest"), title={"en": "Person"},
    )  # fmt: skip
    registry.register_offer(
        "weather", OWNER, weather, {"openapi": "3.1.0"}, fields=("sky",), purposes=("statistics",),
        bases=("public-task",), title={"en": "Weather"}, about_person=False,
    )  # fmt: skip


async def weather(stack: Stack, ctx: Context, person_id: PersonId | None, **asked_for: Any) -> dict[str, Any]:
    """A service about nobody."""
    return {"sky": "clear", "forecaster": "Juma"}


def governor(ctx_of, roles: tuple[str, ...] = ("governing-authority",), institution: str = "rita") -> Context:
    """The governing authority's context."""
    return ctx_of(
        Kind.STAFF, "governor-1", roles=roles, institution=institution, purpose="data-exchange",
        basis="legal-obligation",
    )  # fmt: skip


def join_order(subsystem: str, key: dict[str, str] | None = None) -> JoinOrder:
    """An institution that wants to join."""
    member_class, code, name = subsystem.split("/")
    shown = client.public_part(key or KEYS[subsystem])
    return JoinOrder(InstitutionId(code), member_class, {"en": code.title()}, f"it@{code}", name, shown)


def right_order(subsystem: str = HOSPITAL, basis: str = "consent", **more: Any) -> RightOrder:
    """A right of the hospital to names and birth dates, with consent, to treat people."""
    order = {"purpose": "health-care", "law": "Health Services Act", "fields": ("name", "birth_date")} | more
    return RightOrder(client=SubsystemId(subsystem), service=ServiceCode("person"), basis=basis, **order)


async def opened(stack: Stack, ctx_of) -> Right:
    """Both institutions are members, and the hospital has its right."""
    await acts.publish_registered(stack)
    for subsystem in (HOSPITAL, BANK):
        await acts.join_institution(stack, governor(ctx_of), join_order(subsystem))
        await acts.approve(stack, governor(ctx_of), subsystem.split("/")[1])
    return await acts.grant_right(stack, governor(ctx_of), right_order())


class Desk:
    """An institution's software at its desk: prepares, sends over HTTP, and believes only signed answers."""

    def __init__(self, http: httpx.AsyncClient, stack: Stack, subsystem: str = HOSPITAL) -> None:
        self.http, self.stack, self.subsystem = http, stack, subsystem
        self.key = KEYS[subsystem]

    def prepare(
        self, person: PersonId | str = "", *, purpose: str = "health-care", service: str = SERVICE, rest: str = "",
        method: str = "GET", body: bytes = b"", query: str = "", **headers: str,
    ) -> client.Prepared:  # fmt: skip
        """A signed request about somebody, named by the institution's own pseudonym."""
        institution = self.subsystem.split("/")[1]
        text = person if isinstance(person, str) else self.stack.pseudonym.of(institution, person)
        named = {"msingi-purpose": purpose} if purpose else {}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        return client.prepare(
            self.stack.settings.url, "XT/" + self.subsystem, self.key, client.service_path(service, text, rest),
            method=method, body=body, query=query, headers=named,
        )  # fmt: skip

    async def send(self, prepared: client.Prepared) -> client.Answered:
        """Send it, and open the answer with the exchange's published keys."""
        got = await self.raw(prepared)
        keys = (await self.http.get("/v1/exchange/keys")).json()["keys"]
        return client.opened(prepared, got.status_code, list(got.headers.items()), got.content, keys)

    async def raw(self, prepared: client.Prepared, **changes: Any) -> httpx.Response:
        """Send it with changes made on the way."""
        headers = prepared.headers | changes.get("headers", {})
        return await self.http.request(
            changes.get("method", prepared.method), changes.get("url", prepared.url),
            content=changes.get("body", prepared.body), headers=headers,
        )  # fmt: skip

    async def ask(self, person: PersonId | str = "", **more: Any) -> client.Answered:
        """Prepare and send."""
        return await self.send(self.prepare(person, **more))
