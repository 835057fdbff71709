"""Passkeys: a key in the person's phone or computer, opened by finger, face or its own PIN (a sub-room).

Laws
1. A passkey is added only by whoever has proved two factors, and every channel that is known hears of it.
2. A passkey proves two factors at once, because user verification is demanded always.
3. It works for this country's address alone, so that a look-alike page gets nothing.
4. It names its owner to nobody else: the user handle is a pseudonym that only this stack resolves.

Standards: Web Authentication Level 3 (registration and authentication ceremonies, sections 7.1 and 7.2).
"""
