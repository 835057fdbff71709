"""Ways from institutions to people that closed after too many tries: people hear of it and open them (a sub-room).

An institution may guess, and so may whoever stands at its counter or types at its site; both look alike from here. So
too many wrong answers, codes or requests close the way from that institution to that person (law 10 of sign-in). What
keeps a guesser out must not keep its holder out.

Laws
1. Whoever's way closed hears of it by SMS, at most once a day for each institution.
2. They see every closed way and open it at once, signed in with two factors; nobody else can.
3. A recovery at a centre opens all of them, and voids what was counted against the account before.

Each law has a test in tests/signin/test_lockout.py; decision record 0036.
"""
