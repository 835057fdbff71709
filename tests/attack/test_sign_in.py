"""Sign-in: doing with one factor what needs two, guessing, and staying in after being put out."""

from typing import Any

from tests.portal.conftest import PIN, Surfer

from msingi.signin.provider.model import ACR


async def _with_one_factor(surfer: Surfer, login: str) -> None:
    """Begin at the portal, ask the provider for less in the address, and type the PIN alone."""
    begun = await surfer.http.get("/sign-in", follow_redirects=False)
    less = begun.headers["location"].replace("acr%3A2", "acr%3A1")
    assert less != begun.headers["location"] and ACR[1].endswith("acr:1")
    await surfer.open(less)
    await surfer.send("/signin/pin", login=login, pin=PIN)


async def test_the_portal_wants_the_factors_that_it_asked_for(town: Any, surf: Any) -> None:
    """The request for two factors travels through the browser; who holds only a PIN could take it out."""
    thief = surf()
    await _with_one_factor(thief, town.asha.number)
    assert (await thief.open("/me")).url.path != "/me"
    assert "Asha" not in thief.text
