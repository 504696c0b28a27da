"""Base58 with Bitcoin's alphabet: bytes as text that people can copy.

Invariant: `decode(encode(data)) == data`, and `encode(decode(text)) == text` for every text that is accepted.
"""

from __future__ import annotations

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CHARACTERS_MAX = 256  # decoding takes quadratic time; addresses and peer ids have about 50

_DIGIT = {character: digit for digit, character in enumerate(ALPHABET)}


class NotBase58(Exception):
    """A text with a character outside the alphabet, or an absurdly long one."""


def encode_base58(data: bytes) -> str:
    """Return the text; each leading zero byte is a leading `1`."""
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def decode_base58(text: str) -> bytes:
    """Return the bytes.

    Raises:
        NotBase58: a foreign character, or more than 256 characters.
    """
    if len(text) > CHARACTERS_MAX:
        raise NotBase58(f"the text has {len(text)} characters, more than {CHARACTERS_MAX}")
    number = 0
    for place, character in enumerate(text):
        digit = _DIGIT.get(character)
        if digit is None:
            raise NotBase58(f"character {place + 1}, {character!r}, is not one of base58's letters and digits")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
