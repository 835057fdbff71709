"""Issuance: an institution awards something to a person, and the person's wallets fetch signed copies of it.

A *kind* is a type of credential, described as data. A *holding* is one award of a kind to one person: the facts,
frozen in one version. A *copy* is one signed credential in one format, bound to one key of a wallet. A holding has
any number of copies in any of its formats; its state reaches them all through the status lists.

Laws
1. Every copy of a holding states the same facts, whatever its format, and each has a status entry of its own.
2. Suspending or ending a holding changes the entry of every copy that has not expired, in one transaction.
3. A holding that was ended never becomes valid again; suspension alone can be undone.
4. A nonce, a code and an offer are used once; what is used twice gives nothing the second time.
5. No more copies than proven keys, and no copy for a key that was not proved.
6. Copies share nothing but the facts: salts, digests, status entries and keys differ, times are whole days.
7. Only the institution that a kind names awards it, and a kind is in force only after somebody else approved it.

Standards: OpenID4VCI 1.0, HAIP 1.0, attestation-based client authentication draft 10, SD-JWT VC draft 19,
ISO/IEC 18013-5, W3C VCDM 2.0, Token Status List draft 20, W3C Bitstring Status List 1.0.
"""
