"""Rotating groups (merry-go-round, upatu, tontine): at each round all pay one amount, and one of them gets the whole.

Laws
1. Nobody orders a payment out of the pot: what was paid in for a round goes to whose turn it is, and nowhere else.
2. The order of turns is known before anybody pays: all agreed to it, or it was drawn by a lot fixed before they did.
3. Between any two members as much is paid one way as the other; so a whole circle gives everybody what they paid.
4. A missed contribution stays owed to the one whose turn it was, and is taken first out of the late member's own turn.
5. Whoever leaves owes nobody from then on, and is still paid by everybody whom she has paid.
6. The book and the ledger agree: the pot holds what was paid in for turns that are not paid out.

Standards: none; groups differ, and a bank that dictated to them would lose them to a tin.
"""
