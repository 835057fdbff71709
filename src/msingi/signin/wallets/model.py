"""Nouns of wallet keys."""

from datetime import datetime
from typing import Any

from msgspec import Struct

AUDIENCE = "esignet-binding"  # what eSignet's wallets name as the audience of what they sign
KEY_LIVES_S = 365 * 86_400
FRESH_S = 300
SKEW_S = 30
SEND, BIND = "send_binding_otp", "wallet_binding"  # the scopes, by eSignet's names


class WalletKey(Struct, frozen=True, kw_only=True):
    """A wallet's key of somebody: bound by which software, its public JWK, whether the PIN was right then too."""

    client_id: str
    name: str
    public_key: dict[str, Any]
    by_pin: bool
    made_at: datetime
    seen_at: datetime
    expires_at: datetime


class Binding(Struct, frozen=True, kw_only=True):
    """A wish to bind a key: whose, the one-time code, the PIN if it was typed too, and the public JWK."""

    individual: str
    code: str
    public_key: dict[str, Any]
    pin: str = ""


class Bound(Struct, frozen=True):
    """A key that was bound: how the wallet's institution knows the person, a certificate (PEM), and until when."""

    wallet_user_id: str
    certificate: str
    expires_at: datetime
