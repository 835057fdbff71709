"""The OpenID provider and authorization server: requests in, codes and tokens out (a sub-room of sign-in).

It holds no factor and no page: the room above proves who somebody is, this one turns that proof into what the
standards name. Laws 4 to 8 of the room stand here. Every verification numbers its steps and cites the clause.
"""
