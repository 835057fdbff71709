"""Federation in one process: who may decide of peers, and which directories are believed."""

import base64
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey
from msgspec.structs import replace
from tests.exchange.places import governor

from msingi.exchange import certificates, client
from msingi.exchange.errors import BadCall, InstitutionExists, SignatureRefused
from msingi.exchange.federation import acts, door, rules, wire
from msingi.exchange.federation.errors import (
    AnchorWrong,
    DirectoryRefused,
    NotListed,
    PeerFailed,
    PeerNotActive,
    PeerUnknown,
    SameEyes,
)
from msingi.exchange.federation.model import (
    Anchor,
    Directory,
    MemberEntry,
    Peer,
    PeerId,
    PeerStanding,
    PublicKey,
    SubsystemEntry,
)
from msingi.exchange.signature import Link
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotPermitted
from msingi.kernel.keys import public_jwk


class Abroad:
    """Another country: a key, an anchor, and directories that it signs."""

    def __init__(self, instance: str = "XZ") -> None:
        self.instance = instance
        self.secret = Ed25519PrivateKey.generate()
        made = public_jwk(self.secret.public_key())
        self.key = PublicKey(made["kid"], made["x"])
        self.at = int(clock.now().timestamp())

    def anchor(self, **changes) -> Anchor:
        made = Anchor(self.instance, {"en": "Abroad"}, "http://127.0.0.1:9", (self.key,))
        return replace(made, **changes)

    def directory(self, **changes) -> Directory:
        software = SubsystemEntry("GOV/moh/clinics", "Clinics", (PublicKey("k1", "A" * 43),))
        member = MemberEntry("moh", "GOV", {"en": "Ministry"}, (software,))
        told = Directory(
            self.instance, "http://127.0.0.1:9", self.at, self.at, self.at + 3600, (self.key,), (member,), ()
        )  # fmt: skip
        return replace(told, **changes)

    def token(self, **changes) -> str:
        return wire.signed(self.directory(**changes), self.key.kid, self.secret.sign)


def officer(ctx_of, name: str):
    return replace(governor(ctx_of), actor=replace(governor(ctx_of).actor, id=name))


async def test_access_propose_peer(stack, ctx_of):
    abroad = Abroad("XA")
    with pytest.raises(NotPermitted):
        await acts.propose_peer(stack, governor(ctx_of, ("exchange-operator",)), abroad.anchor())
    made = await acts.propose_peer(stack, officer(ctx_of, "a"), abroad.anchor())
    assert (made.peer, made.standing) == ("XA", PeerStanding.PROPOSED)
    wrongs = ({"instance": "xa"}, {"url": "ftp://x"}, {"url": "http://x/y"}, {"keys": ()}, {"format": "?"},
              {"instance": stack.profile.alpha2}, {"rooms": ("health",)})  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(AnchorWrong):
            await acts.propose_peer(stack, officer(ctx_of, "a"), abroad.anchor(**wrong))
    with pytest.raises(AnchorWrong):
        wire.anchor_of(b"{}")


async def test_access_approve_peer(stack, ctx_of):
    await acts.propose_peer(stack, officer(ctx_of, "a"), Abroad("XB").anchor())
    with pytest.raises(NotPermitted):
        await acts.approve_peer(stack, governor(ctx_of, ("operator",)), "XB")
    with pytest.raises(SameEyes):
        await acts.approve_peer(stack, officer(ctx_of, "a"), "XB")
    assert (await acts.approve_peer(stack, officer(ctx_of, "b"), "XB")).standing is PeerStanding.ACTIVE
    with pytest.raises(PeerUnknown):
        await acts.approve_peer(stack, officer(ctx_of, "b"), "XQ")
    with pytest.raises(InstitutionExists):  # an active peer's keys are not replaced under it
        await acts.propose_peer(stack, officer(ctx_of, "a"), Abroad("XB").anchor())
    with pytest.raises(PeerNotActive):  # it has no directory yet
        await acts.peer_of_instance(stack, "XB")


async def test_access_suspend_peer(stack, ctx_of):
    await acts.propose_peer(stack, officer(ctx_of, "a"), Abroad("XC").anchor())
    with pytest.raises(NotPermitted):
        await acts.suspend_peer(stack, job_context("other"), "XC", "no")
    assert (await acts.suspend_peer(stack, officer(ctx_of, "a"), "XC", "lost keys")).standing == "suspended"


async def test_access_accept_directory(stack, ctx_of):
    abroad, setup = Abroad("XD"), job_context("setup")
    await acts.propose_peer(stack, setup, abroad.anchor())
    await acts.approve_peer(stack, setup, "XD")
    with pytest.raises(NotPermitted):
        await acts.accept_directory(stack, ctx_of(Kind.PERSON, "x"), "XD", abroad.token())
    peer = await acts.accept_directory(stack, setup, "XD", abroad.token())
    assert (await acts.peer_of_instance(stack, "XD")).version == peer.version
    _, caller = await acts.foreign_caller(stack, peer, "GOV/moh/clinics")
    assert (caller.institution, caller.subsystem) == ("XD:moh", "XD/GOV/moh/clinics")
    with pytest.raises(NotListed):
        await acts.foreign_caller(stack, peer, "GOV/moh/other")
    thief = Abroad("XD")
    bad = [thief.token(), abroad.token(version=1), abroad.token(expires=abroad.at - 1), abroad.token(instance="XT"),
           abroad.token()[:-8] + "AAAAAAAA", "a.b.c", "", abroad.token(issued=abroad.at + 9_999)]  # fmt: skip
    for token in bad:
        with pytest.raises(DirectoryRefused):
            await acts.accept_directory(stack, setup, "XD", token)
    # A new key comes with a directory that the old one signed; then the old one counts no more.
    newer = replace(abroad.directory(version=abroad.at + 1), keys=(thief.key,))
    await acts.accept_directory(stack, setup, "XD", wire.signed(newer, abroad.key.kid, abroad.secret.sign))
    await acts.accept_directory(stack, setup, "XD", thief.token(version=abroad.at + 2))
    with pytest.raises(DirectoryRefused):
        await acts.accept_directory(stack, setup, "XD", abroad.token(version=abroad.at + 3))


async def test_law_3_a_directory_takes_over_no_key_of_another(stack, ctx_of):
    one, other, setup = Abroad("XE"), Abroad("XF"), job_context("setup")
    for abroad in (one, other):  # both list the same key: the first keeps it
        await acts.propose_peer(stack, setup, abroad.anchor())
        await acts.approve_peer(stack, setup, abroad.instance)
        await acts.accept_directory(stack, setup, abroad.instance, abroad.token())
    from msingi.exchange import acts as exchange

    held = await exchange.caller_of(stack, "k1")
    assert held is not None and held[0].institution in ("XD:moh", "XE:moh")
    listed = [i.institution for i in await exchange.institutions(stack, limit=200)]
    assert not [code for code in listed if ":" in code]


async def test_access_refresh_peer(stack, ctx_of):
    with pytest.raises(NotPermitted):
        await acts.refresh_peer(stack, governor(ctx_of, ("auditor",)), "XD")
    await acts.propose_peer(stack, job_context("setup"), Abroad("XG").anchor())
    with pytest.raises(PeerFailed):  # nobody listens there
        await acts.refresh_peer(stack, job_context("federation"), "XG")


async def test_the_directory_is_a_jws_that_others_can_read(stack, client):
    token = (await client.get("/v1/exchange/directory")).text
    anchor = (await client.get("/v1/exchange/anchor")).json()
    assert anchor["instance"] == "XT" and anchor["keys"][0]["kid"]
    read = jws.deserialize_compact(token, OKPKey.import_key(anchor["keys"][0]), algorithms=["EdDSA", "Ed25519"])
    told = msgspec.json.decode(read.payload)
    assert told["instance"] == "XT" and told["expires"] - told["issued"] == 86_400
    kid, mine = wire.opened(token, (PublicKey(anchor["keys"][0]["kid"], anchor["keys"][0]["x"]),))
    assert kid == anchor["keys"][0]["kid"] and mine.version == told["version"]


async def test_doors_of_peers_refuse_strangers(client):
    refused = await client.post("/v1/exchange/peers", json=msgspec.to_builtins(Abroad("XH").anchor()))
    assert refused.status_code == 401
    malformed = await client.post("/v1/exchange/peers", json={"instance": 1})
    assert malformed.status_code in (400, 401)


@settings(max_examples=60, deadline=None)
@given(st.integers(-3, 3), st.integers(-400, 400), st.booleans(), st.booleans())
def test_laws_1_and_2_only_a_pinned_key_and_only_forward(step, seconds, pinned, same_instance):
    now = clock.now()
    abroad = Abroad()
    peer = Peer(
        PeerId("XZ"), "XZ", {}, "http://x", (abroad.key,), (), PeerStanding.ACTIVE, "a", "b", now, abroad.at, now
    )  # fmt: skip
    told = abroad.directory(
        version=abroad.at + step, expires=int(now.timestamp()) + seconds, instance="XZ" if same_instance else "XY"
    )
    good = pinned and same_instance and step >= 0 and told.expires > now.timestamp()
    kid = abroad.key.kid if pinned else "other"
    if good:
        assert rules.accepted(peer, kid, told, now).version == told.version >= peer.version
    else:
        with pytest.raises(DirectoryRefused):
            rules.accepted(peer, kid, told, now)


@given(st.text(max_size=40))
def test_a_client_name_is_read_or_refused(text):
    try:
        instance, subsystem = rules.client_named(text)
        assert subsystem.count("/") == 2 and "/" not in instance
    except BadCall:
        pass


async def test_a_peers_connection_shows_a_certificate_of_the_side_that_signed(stack, ctx_of):
    abroad, member = Abroad("XM"), client.new_key()
    software = SubsystemEntry("GOV/moh/clinics", "Clinics", (PublicKey(member["kid"], member["x"]),))
    directory = abroad.directory(members=(MemberEntry("moh", "GOV", {"en": "Ministry"}, (software,)),))
    now = clock.now()
    peer = Peer(
        PeerId("XM"), "XM", {"en": "Abroad"}, "http://127.0.0.1:9", (abroad.key,), (), PeerStanding.ACTIVE, "a", "b",
        now, 1, now + timedelta(hours=1), directory,
    )  # fmt: skip
    signers = {"exchange": (abroad.key.kid, abroad.secret), "member": (member["kid"], client.private_key(member)),
               "stranger": ("s" * 43, Ed25519PrivateKey.generate())}  # fmt: skip

    def shown(who: str, claims: str = "") -> Link:
        kid, secret = signers[who]
        tls = ec.generate_private_key(ec.SECP256R1()).public_key()
        return Link(True, certificates.issued(claims or kid, secret.sign, "abroad", tls, now, 1))

    async def told(signer: str, link: Link):
        kid, secret = signers[signer]
        jwk = public_jwk(secret.public_key()) | {"d": _text(secret.private_bytes_raw()), "kid": kid}
        made = client.prepare(stack.settings.url, "XM/GOV/moh/clinics", jwk, "/r1/XT/GOV/rita/identity/person-facts")
        message = replace(made.message, link=link)
        return await door._recognised(stack, peer, "GOV/moh/clinics", message, b"")

    before = stack.settings
    stack.settings = replace(before, gateway_mtls=True)
    try:
        for side in ("exchange", "member"):
            assert (await told(side, shown(side)))[1].keyid == signers[side][0]
        for side, link in (
            ("exchange", shown("member")), ("member", shown("exchange")), ("exchange", shown("stranger")),
            ("exchange", shown("stranger", abroad.key.kid)), ("member", Link(True)),
        ):  # fmt: skip
            with pytest.raises(SignatureRefused):
                await told(side, link)
    finally:
        stack.settings = before


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
