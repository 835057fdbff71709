"""Pairwise pseudonyms: every institution knows a person under an identifier that no other institution has.

The pseudonym is the person id enciphered under a key of the institution's own (AES-256 on one block is a
pseudorandom permutation): the same each time, different for each institution, and reversible by the stack alone.
"""

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid_of

if TYPE_CHECKING:
    from msingi.kernel.context import Context
    from msingi.kernel.stack import Stack

_CANONICAL = re.compile(r"[a-z2-7]{25}[aeimquy4]")  # 128 bits in 26 digits: the last two bits are nought
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [a + b for a in _BASE32 for b in _BASE32]
_THREES = [pair + one for pair in _PAIRS for one in _BASE32]
_SHIFTS = range(105, -1, -15)
_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")


class Pseudonyms:
    """Makes and resolves pseudonyms from one secret of 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._ciphers: dict[str, tuple[CipherContext, CipherContext]] = {}

    def _cipher(self, institution: str) -> tuple[CipherContext, CipherContext]:
        """To encipher and to decipher; in ECB each block stands alone, so both are kept and used for ever."""
        known = self._ciphers.get(institution)
        if known is None:
            key = hmac.digest(self._secret, b"pseudonym\0" + institution.encode(), hashlib.sha256)
            made = Cipher(algorithms.AES(key), modes.ECB())
            known = self._ciphers[institution] = (made.encryptor(), made.decryptor())
        return known

    def of(self, institution: str, person_id: PersonId) -> str:
        """The pseudonym of a person for an institution: 26 characters a-z2-7."""
        block = self._cipher(institution)[0].update(person_id.bytes)
        number = int.from_bytes(block) << 2  # base 32, three digits at a time: a quarter of b32encode's time
        return _PAIRS[number >> 120] + "".join([_THREES[number >> shift & 32767] for shift in _SHIFTS])

    def person(self, institution: str, text: str) -> PersonId:
        """The person behind a pseudonym of this institution; a forged one gives an id that nobody has.

        Raises Malformed unless `text` is 26 characters a-z2-7 in canonical form.
        """
        if not _CANONICAL.fullmatch(text):
            raise Malformed("A pseudonym has 26 characters a-z2-7.", field="pseudonym", rule="base32")
        block = (int(text.translate(_DIGITS), 32) >> 2).to_bytes(16)
        return PersonId(uuid_of(self._cipher(institution)[1].update(block)))


# The secret stays on the machine with the register: a room that runs elsewhere asks, and keeps what it was told.


@crossing("health", room="identity", remember=True)
async def pseudonym_of(stack: "Stack", ctx: "Context", institution: str, person_id: PersonId) -> str:
    """The pseudonym of a person for an institution, wherever this room runs."""
    return stack.pseudonym.of(institution, person_id)


@crossing("health", room="identity", remember=True)
async def person_behind(stack: "Stack", ctx: "Context", institution: str, text: str) -> PersonId:
    """The person behind an institution's pseudonym, wherever this room runs. Raises Malformed."""
    return stack.pseudonym.person(institution, text)
