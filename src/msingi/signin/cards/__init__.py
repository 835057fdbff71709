"""Signing in with the printed card and the PIN (a sub-room).

A picture of the card, or what a hand-held scanner types, stands in for the number; the PIN is the factor, counted and
locked as if the number had been typed. A printed code can be copied, so it is never a second factor: where two are
asked for, a one-time code follows. The page works without a script: the telephone's own camera takes the picture.

Laws
1. A card that is not genuine, ended, paused or out of date ends like a wrong PIN, after the same time.
2. Tries with a card and tries with the number of its holder count together.

Each law has a test in tests/signin/test_cards.py. What reads cards is registered by an upper room (`factors.Factors`).
"""
