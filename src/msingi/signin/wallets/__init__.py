"""Keys of people's wallets, bound to them by a one-time code, that sign for them on a linked device (a sub-room).

Laws
1. A key is bound by software that an operator registered for it, with a code that the person got by SMS, and the person
   hears of it by SMS. Nobody's number gets the same answers as somebody's.
2. A key counts as one factor, never as two. It stands alone only if the PIN was right too when it was bound; else it
   takes the place of the one-time code and no more.
3. What a key signs is good once, for five minutes, for the sign-in whose link the device holds.
4. One key belongs to one person and one wallet software; a new binding replaces the old key of that software.
5. A key works for a year; its owner sees and removes it; a recovery removes all of them.
6. The PIN is looked at only after the right code, so that no stranger closes a wallet to its owner; codes that
   strangers had sent close a way that its owner opens again (`signin/ways`).

Standards: MOSIP eSignet 1.4 key binding and wallet local authentication (WLA), GovStack Identity building block API.
"""
