"""The printed card at sign-in: whose it is, if it is genuine, in date and not ended. It proves no possession.

What a person shows is the code on the card (Claim 169 in a CWT). Anybody may have a copy of it, so it stands in for the
number that one would type, and the PIN is the factor.
"""

from msingi.credentials import picture, publish, verify
from msingi.identity import acts as identity
from msingi.kernel import clock
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack


async def holder(stack: Stack, ctx: Context, text: str) -> PersonId | None:
    """Whose card says `text`; None unless this stack signed it, it is in date, and its status list says valid now."""
    keys, at, text = {"keys": stack.keys.public("credentials")}, clock.now(), text.strip("\r\n\t")
    # 1. Genuine and in date, before anything that it says is looked up.
    first = verify.verify_card(text, keys, None, at, issuer=stack.settings.url)
    if first.state not in (verify.State.VALID, verify.State.UNDETERMINED) or first.claims is None:
        return None
    # 2. Neither ended nor paused, by the list as it is this moment. A card without a status is none of ours.
    status = first.claims.status
    start, _, end = (status.uri if status else "").rpartition("/")
    if start != publish.list_uri(stack, 0).rpartition("/")[0] or not end.isdecimal() or len(end) > 9:
        return None
    try:
        published = await publish.status_list(stack, int(end))
    except NotFound:
        return None
    second = verify.verify_card(text, publish.issuer_keys(stack), published.jwt, at, issuer=stack.settings.url)
    if not second.accepted:
        return None
    # 3. Whose it is: the number that the signature covers, if the identity behind it is in use.
    own = job_context("signin", "identity-proofing", "contract")
    try:
        return await identity.person_by_number(stack, own, first.claims.identity.id)
    except Refusal:
        return None


def read_picture(content: bytes) -> str:
    """The text of the code in a picture. Raises Unreadable, PictureTooLarge, NoCodeFound."""
    return picture.read_qr(content)
