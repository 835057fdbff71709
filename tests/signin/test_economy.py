"""How often a sign-in asks the database, and that what travels with its commit is judged all the same."""

import asyncio

from tests.signin.conftest import PIN
from tests.signin.party import answer_of

from msingi.kernel.tx import Tx


def counted(monkeypatch) -> list[int]:
    """The round trips of each transaction from now on, as they end."""
    found: list[int] = []
    ending = Tx.end

    async def end(tx: Tx, keep: bool) -> None:
        await ending(tx, keep)
        if tx.permits:  # not what is read again every few seconds, such as who a client is
            found.append(tx.statements)

    monkeypatch.setattr(Tx, "end", end)
    return found


async def agreed(site, person):
    """A relying party to whom the person has agreed, and the browser in which they are signed in."""
    bank, browser = site.party("bank"), site.browser()
    uri = await bank.push(scope="openid profile")
    shown = await site.sign_in(browser, person, PIN, f"/oauth/authorize?client_id=bank&request_uri={uri}")
    if shown.status_code == 200:  # the first time, consent is asked for
        await browser.send("/signin/consent", claim=["name"], decision="agree")
    return bank, browser


async def test_a_whole_sign_in_of_somebody_who_has_agreed_takes_fourteen_round_trips(site, asha, monkeypatch):
    bank, browser = await agreed(site, asha)
    found = counted(monkeypatch)
    uri = await bank.push(scope="openid profile")
    back = await browser.http.get(f"/oauth/authorize?client_id=bank&request_uri={uri}")
    tokens = (await bank.redeem(answer_of(back)["code"])).json()
    assert (await bank.userinfo(tokens["access_token"])).json()["name"] == asha.full_name
    # push, authorize, token, userinfo, and the reading of the record; nothing is asked that the act does not need
    assert len(found) == 5 and sum(found) <= 14, found


async def test_a_request_gives_one_code_even_when_asked_twice_at_once(site, asha):
    bank, browser = await agreed(site, asha)
    uri = await bank.push(scope="openid profile")
    there = f"/oauth/authorize?client_id=bank&request_uri={uri}"
    both = await asyncio.gather(browser.http.get(there), browser.http.get(there))
    codes = [answer_of(back)["code"] for back in both if "code=" in back.headers.get("location", "")]
    assert len(codes) == 1, [back.status_code for back in both]
    assert (await bank.redeem(codes[0])).status_code == 200
    third = await browser.http.get(there)
    assert third.status_code == 400 and "location" not in third.headers


async def test_an_assertion_that_comes_again_is_named_though_its_proof_is_new(site, asha):
    bank, _ = await agreed(site, asha)
    form = bank.proven(bank.request(scope="openid profile"))
    first = await bank.http.post("/oauth/par", data=form, headers={"DPoP": bank.proof("POST", "http://x/oauth/par")})
    answers = []
    for _ in range(2):
        proof = bank.proof("POST", str(bank.http.base_url.join("/oauth/par")))
        answers.append(await bank.http.post("/oauth/par", data=form, headers={"DPoP": proof}))
    assert first.status_code != 201  # a proof for another address; nothing of it is kept
    assert [answer.status_code for answer in answers] == [201, 401], [a.text for a in answers]
    assert answers[1].json()["error"] == "invalid_client"
