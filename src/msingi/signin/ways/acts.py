"""Verbs of closed ways: tell the person, show them, and open one."""

import msgspec

from msingi.kernel import log, policy, tally
from msingi.kernel.context import Context, job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import limits, wire
from msingi.signin.model import Closed
from msingi.signin.ways import store
from msingi.signin.ways.model import TOLD, ClosedWay

HERE = "/signin/ways"
PAGES = {"pin": HERE, "way": HERE, "quiet": "/signin/requests"}


async def tell(stack: Stack, payload: bytes) -> None:
    """Tell somebody that tries of whoever it was closed a place, at most once a day for each institution (law 1)."""
    news = msgspec.json.decode(payload, type=Closed)
    ctx = job_context("signin", "identity-proofing")
    phone, language = "", stack.profile.language
    if not news.staff:
        person = await signin.active_person(stack, news.person_id, ctx)
        if person is not None:
            phone, language = person.demographics.phone, person.demographics.language or language
    permit = policy.decide(ctx, "signin.tell-closed-way", news.person_id)
    async with stack.db.transaction(permit) as tx:
        if news.staff:
            account = await signin.staff_account(stack, tx, news.person_id)
            phone = account.phone if account else ""
        times = await tally.add(stack, tx, TOLD, f"{news.person_id}|{news.how}|{news.by}", ctx.at)
        if phone and times == 1:
            words = {
                "client": stack.profile.retold(news.via, language) or _name(stack, news.by, language),
                "minutes": (news.wait_s + 59) // 60,
                "link": f"{stack.settings.url}{HERE}",
            }
            text = wire.say(f"sms_closed_{news.how}", language, **words)
            await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, text, "closed"))
        log.append(
            tx, permit, subject=news.person_id, detail={"how": news.how, "to": news.via or news.by, "told": times == 1}
        )


def _name(stack: Stack, institution: str, language: str) -> str:
    found = next((m.name for m in stack.profile.institutions if m.code == institution), None)
    return institution if found is None else stack.profile.say(found, language)


async def list_closed_ways(stack: Stack, ctx: Context, person_id: PersonId) -> list[ClosedWay]:
    """Which ways to somebody are closed now, by institution (law 2)."""
    permit = policy.decide(ctx, "signin.list-closed-ways", person_id)
    async with stack.db.transaction(permit) as tx:
        ways = limits.ways_to(stack, person_id, await store.institutions(tx))
        found = await store.closed(tx, ways, ctx.at)
        log.append(tx, permit, subject=person_id, detail={"ways": len(found)})
    listed = [ClosedWay(ways[place][1], ways[place][0], until) for place, until in found.items()]
    return sorted(listed, key=lambda one: (one.institution, one.way))


async def open_way(stack: Stack, ctx: Context, person_id: PersonId, institution: str, way: limits.Way) -> bool:
    """Open a way again; False if it was not closed (law 2)."""
    permit = policy.decide(ctx, "signin.open-way", person_id)
    async with stack.db.transaction(permit) as tx:
        place = limits.way_key(stack, way, str(person_id), institution)
        was_closed = bool(await store.closed(tx, [place], ctx.at))
        if was_closed:
            await store.open_all(tx, [place])
        log.append(tx, permit, subject=person_id, detail={"institution": institution, "way": way, "opened": was_closed})
    return was_closed
