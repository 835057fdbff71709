"""Federation: two installations exchange messages over the network, with only public keys in common.

Laws
1. Pinned: a peer is known by an anchor that two people of the governing authority have seen; nothing that the peer
   sends later is believed unless one of the keys known so far signed it.
2. Forward only: a directory with a lower version than the last one, or after its expiry, is refused; an expired
   directory opens no door and lends nobody standing.
3. Own people, own members: a peer's directory speaks of the members of its own instance only; it can neither take over
   a key of another member nor a name of ours.
4. Both sides remember: a message to a peer leaves a record here before it is sent, and the peer's decision leaves one
   there; each side names the person by its own identifier, and no identifier of one side is known to the other.
5. End to end: an answer is passed on only if the peer signed it for exactly this request, and its proof goes with it,
   so that who asked can check the peer's signature without believing the exchange between.

Standards
X-Road federation (configuration anchors, instances in paths); RFC 7515 JSON Web Signature for directories; RFC 8037
Ed25519 in JOSE; RFC 7638 thumbprints as fingerprints; RFC 9421 with `req` components for answers.
"""
