"""Rights across machines: what a person is granted reaches every room of the country, also one on its own machine.

Laws
1. An erasure, a legal hold or its end is written down for every machine of the stack in the transaction that grants it.
2. It is sent until that machine has answered with its receipt, for as long as that takes; for one person and one
   machine in the order in which it was granted; and it is done there once, however often it is sent.
3. Both logs hold it: the machine's own leaf, and a leaf here with the receipt's certificate.
4. A machine that is away delays nobody else's: only what is meant for it waits.
5. A full copy holds what every machine has recorded about the person, or names what is missing.
6. A machine that runs a part of the stack destroys by itself what has had its time there.

A machine never learns who a person is: the exchange swaps their id for the machine's own (see exchange.federation).
"""
