"""Moving: a room that ran with the others goes to a machine of its own with its records, and both sides can prove it.

Laws
1. Closed first: a room is sent only while nothing of it can change; whoever writes is waited for, and not for ever.
2. Whole: what was taken has, table by table, the count and the hash of what was sent, both computed from the rows as
   they stand in either database; otherwise the taking fails, and the old machine goes on being the one that counts.
3. For one reader: a package can be opened only with the key of the machine that it is for, and is believed only if the
   machine that it comes from signed it.
4. Once: a part that was taken is not taken again, and a room that served anybody takes nobody else's records.
5. The chain goes on: ids of people, accounts and transfers stay as they are in the records, so an order that is
   repeated after the move is still the same order; the roots of the ledger's batches are left in the new machine's log.
6. Own keys: what is sealed for a person is sealed anew with a key of the new machine; of the old machine's secrets only
   those of the room itself go along.

Standards
RFC 8032 Ed25519 over the manifest; X25519 sealed boxes (libsodium) for the package's key; AES-256-GCM for its parts.
"""
