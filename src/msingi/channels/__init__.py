"""Channels: text messages and USSD menus, so that a simple phone does what the portal does.

Laws
1. Every requested message is given to the gateway, or tried again; none is lost.
2. The simulated gateway says that it is simulated, and only it keeps what a message said.
3. A USSD screen fits one: at most 160 characters of the GSM alphabet, or 80 where the language needs another.
4. Of what is typed only the last segment is read: a PIN that the network repeats is never looked at again.
5. A PIN is never kept, logged or shown; nor is the text of a dialogue.
6. A dialogue acts only as the person whose phone it comes from, and only after that person's PIN.
7. One confirmation pays once, however often the network repeats it.

Standards: 3GPP TS 23.038 (the GSM 7-bit alphabet), 3GPP TS 22.090 (USSD), E.164 (numbers); the form fields
`sessionId`, `serviceCode`, `phoneNumber`, `networkCode`, `text` and the answers `CON` and `END` that USSD
aggregators have in common.
"""
