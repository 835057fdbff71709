"""The outside shapes of membership: descriptions as JSON or YAML, and the proof that an applicant holds its key."""

from typing import Any

import msgspec
import yaml

from msingi.exchange import signature
from msingi.exchange.errors import BadCall, SignatureRefused
from msingi.exchange.governance import public_key
from msingi.exchange.membership.errors import DescriptionWrong
from msingi.exchange.signature import Message
from msingi.kernel.keys import public_jwk

MOST_CHARACTERS = 1_000_000


class _Plain(yaml.SafeLoader):
    """YAML without aliases, which could make a small text a huge document."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark
            raise DescriptionWrong("aliases are not used", field=f"line {mark.line + 1}", rule="no alias")
        return super().compose_node(parent, index)


def description(text: str) -> Any:
    """The document that a text in JSON or YAML holds, as JSON values. Raises DescriptionWrong naming the line."""
    if len(text) > MOST_CHARACTERS:
        raise DescriptionWrong(f"at most {MOST_CHARACTERS:,} characters", field="openapi", rule="length")
    try:
        found = yaml.load(text, Loader=_Plain)  # JSON is YAML; the loader makes plain values only
        return msgspec.json.decode(msgspec.json.encode(_textual(found)))
    except yaml.MarkedYAMLError as wrong:
        line = f"line {wrong.problem_mark.line + 1}" if wrong.problem_mark else "openapi"
        raise DescriptionWrong(str(wrong.problem or "cannot be read"), field=line, rule="JSON or YAML") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as wrong:
        raise DescriptionWrong(f"cannot be read ({type(wrong).__name__})", field="openapi", rule="JSON") from None


def _textual(value: Any) -> Any:
    """The same with every key a text, as JSON has it (`200:` in YAML is a number)."""
    if isinstance(value, dict):
        return {str(key): _textual(item) for key, item in value.items()}
    return [_textual(item) for item in value] if isinstance(value, list) else value


def proves(message: Message, body: bytes, jwk: dict[str, str], client: str, now: int) -> bool:
    """Whether the sender of an application holds the private key that belongs to `jwk` (law 1).

    False when nothing was signed. Raises SignatureRefused for a signature by another key, or of another message.
    """
    if "signature-input" not in message.fields:
        return False
    if message.fields.get("x-road-client", "") != client:
        raise BadCall(f"sign as the software that asks to join: {client}", field="X-Road-Client")
    try:
        key = public_key(jwk.get("x", ""))
    except Exception:
        raise SignatureRefused("the key of the application cannot be read", step=5) from None
    kid = public_jwk(key)["kid"]
    signature.verify(message, body, lambda named: key if named == kid else None, now)
    return True
