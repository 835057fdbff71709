"""What several people hold or decide together: joint accounts, accounts of wards, and savings groups.

Laws
1. Nobody alone debits a joint account beyond its bound of a day, however it is split, whatever runs at once.
2. Above the bound money leaves only after every holder who holds at that moment has signed, and then once.
3. Whoever left, was removed, or whose identity is out of use, neither pays nor signs from that moment on.
4. A guardian's right is asked of the register at each act, so it ends with the day on which the register ends it.
5. A joint account comes to be only when everybody who was named has accepted.
6. A share-out divides the pot in proportion to shares, and to the last minor unit: what goes out is what was in.
7. Nothing leaves a group's pot or social fund without the signatures of all three who keep the keys.
8. The group's book and the ledger agree: pot and social fund are the sums of what was paid in and out.

Standards: none; what a joint account is, and who may act for a child, is the country's law (`bank.toml`, `shared`).
"""
