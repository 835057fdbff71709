"""Sign-ins that software asks for while the person is elsewhere: approved on the person's own phone (a sub-room).

Laws
1. Nothing is approved but by the person whose it is, signed in with as many factors as the software asked for.
2. Software learns nothing before the decision: a request for nobody's number waits and runs out like one for somebody.
3. One institution cannot pester, and no stranger can use that to shut somebody out of it: after six requests that were
   not approved the next ones are kept without a message, and the person, told once, still finds and approves them;
   sixty close the way for a while, and its owner opens it again (`signin/ways`).
4. A request is redeemed once, by the software that made it, with its own key.

Standards: OpenID Connect Client-Initiated Backchannel Authentication Flow 1.0 (poll), FAPI-CIBA (signed requests and a
binding message for clients marked `fapi`).
"""
