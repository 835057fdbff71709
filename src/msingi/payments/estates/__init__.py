"""Estates: what somebody left who died is paid to the heirs that a court or a registry named, and then is closed.

Laws
1. An estate is opened only for a person whom the register says has died, by a certificate; two officers agree to it.
2. What is in an account is divided by the shares of the certificate, to the last minor unit: the parts are the whole.
3. Each part is written down before the ledger is asked; what the ledger refuses stays that heir's, and is tried again.
4. What an order of a court holds stays held; what the dead person owed a rotating group is paid before the heirs.
5. An account is closed when it is empty, and only then. Joint accounts stay with the other holders.

Standards: none; who inherits is the country's law, which the certificate states.
"""
