"""Seeded random mutations of tokens that were accepted once."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.rows_signatures import ORDERS
from tests.conformance.tokens import NOW, Key, b64, dump, ecdsa, envelope, key, unb64

if TYPE_CHECKING:
    from random import Random

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ANYTHING: Final = ALPHABET + ".=+/ \n\t\0{}\"'~é\u2028\ud800"
ALGORITHMS: Final = ("ES256", "Ed25519", "EdDSA", "ES384", "ES512", "PS256", "RS256", "ML-DSA-44")
BAD_HEADERS: Final[tuple[dict[str, Any], ...]] = (
    {"alg": "none"},
    {"alg": "HS256"},
    {"alg": "ES256"},
    {"alg": "EdDSA"},
    {"kid": "k"},
    {"kid": "../k"},
    {"typ": "JWT"},
    {"crit": ["exp"]},
    {"jwk": {}},
    {"b64": False},
    {"zip": "DEF"},
)


# The same key under two algorithms is refused in a set.
KEYS: Final = {alg: key(alg, 3 if alg in ("EdDSA", "RS256") else 1) for alg in ALGORITHMS}


def originals() -> dict[str, Key]:
    """Return good tokens of several algorithms and shapes, and who signed each."""
    made: dict[str, Key] = {}
    for number, alg in enumerate(ALGORITHMS):
        for size in (0, 7, 60):
            jti = f"{alg}-{number}-{size}".ljust(22, "x")
            data = {"invoice": size, "lines": [{"n": n, "text": "é" * n} for n in range(size // 3)]}
            made[envelope({"jti": jti}, {"data": data}, signer=KEYS[alg])] = KEYS[alg]
    return made


ORIGINALS: Final = originals()
TOKENS: Final = tuple(ORIGINALS)


def flip_bit(random: Random, token: str) -> bytes:
    written = bytearray(token.encode())
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        written[random.randrange(len(written))] ^= 1 << random.randrange(8)
    return bytes(written)


def replace(random: Random, token: str) -> str:
    at = random.randrange(len(token))
    return token[:at] + random.choice(ALPHABET) + token[at + 1 :]


def insert(random: Random, token: str) -> str:
    at = random.randrange(len(token) + 1)
    return token[:at] + random.choice(ANYTHING) * random.choice((1, 1, 2, 4)) + token[at:]


def delete(random: Random, token: str) -> str:
    at = random.randrange(len(token))
    return token[:at] + token[at + random.choice((1, 1, 2, 4, 32)) :]


def repeat(random: Random, token: str) -> str:
    start, end = sorted((random.randrange(len(token)), random.randrange(len(token))))
    return token[:end] + token[start:end] + token[end:]


def swap(random: Random, token: str) -> str:
    other, which = random.choice(TOKENS).split("."), random.randrange(3)
    mine = token.split(".")
    mine[which] = other[which]
    return ".".join(mine)


def shuffle(random: Random, token: str) -> str:
    parts = token.split(".")
    random.shuffle(parts)
    return ".".join(parts)


def encode_anew(random: Random, token: str) -> str:
    """Spell one segment's octets in another way."""
    parts, which = token.split("."), random.randrange(3)
    text, octets = parts[which], unb64(parts[which])
    parts[which] = random.choice(
        (
            text + "=" * (-len(text) % 4 or 1),
            base64.b64encode(octets).decode(),
            base64.b64encode(octets).decode().rstrip("="),
            base64.b32encode(octets).decode(),
            octets.hex(),
            text[:-1] + ALPHABET[ALPHABET.index(text[-1]) ^ random.choice((1, 2, 3))],
            "\n".join((text[:40], text[40:])),
            b64(text.encode()),
        )
    )
    return ".".join(parts)


def _reordered(random: Random, value: Any) -> Any:
    if isinstance(value, dict):
        members = list(value.items())
        random.shuffle(members)
        return {name: _reordered(random, member) for name, member in members}
    return [_reordered(random, member) for member in value] if isinstance(value, list) else value


def reorder(random: Random, token: str) -> str:
    """Write header or payload anew, in another order, with the old signature or a stranger's."""
    parts, which = token.split("."), random.randrange(2)
    value = _reordered(random, json.loads(unb64(parts[which])))
    parts[which] = b64(random.choice((dump, lambda one: json.dumps(one).encode()))(value))
    return _perhaps_signed_by_a_stranger(random, parts)


def edit_claims(random: Random, token: str) -> str:
    parts = token.split(".")
    claims = json.loads(unb64(parts[1]))
    name = random.choice((*claims, "sub", "nbf"))
    claims[name] = random.choice((None, "x", 0, NOW + 90, "https://evil.example", {}, [claims.get(name)]))
    claims["msg"] = random.choice((claims.get("msg"), {"v": 1}))
    parts[1] = b64(dump(claims))
    return _perhaps_signed_by_a_stranger(random, parts)


def edit_header(random: Random, token: str) -> str:
    parts = token.split(".")
    header = json.loads(unb64(parts[0]))
    header.update(random.choice(BAD_HEADERS))
    if random.random() < 0.2:
        del header[random.choice(list(header))]
    parts[0] = b64(dump(header))
    return _perhaps_signed_by_a_stranger(random, parts)


def _perhaps_signed_by_a_stranger(random: Random, parts: list[str]) -> str:
    if random.random() < 0.5:
        stranger = key(random.choice(("ES256", "Ed25519")), 2)
        parts[2] = b64(stranger.sign(f"{parts[0]}.{parts[1]}".encode()))
    return ".".join(parts)


def twin(random: Random, token: str) -> str:
    """Return (r, n - s) of an ECDSA signature, and of another one something that only looks alike."""
    signed, _, signature = token.rpartition(".")
    alg, octets = ORIGINALS[token].alg, unb64(signature)
    half = len(octets) // 2
    r, s = (int.from_bytes(part, "big") for part in (octets[:half], octets[half:]))
    if alg in ORDERS:
        return f"{signed}.{b64(ecdsa(r, ORDERS[alg] - s, half))}"
    return f"{signed}.{b64(octets[half:] + octets[:half])}"


MUTATIONS: Final = (
    *(flip_bit, replace, insert, delete, repeat, swap, shuffle),
    *(encode_anew, reorder, edit_claims, edit_header, twin),
)


def mutant(random: Random) -> tuple[str, str | bytes]:
    """Return a token and what became of it."""
    token = random.choice(TOKENS)
    changed = random.choice(MUTATIONS)(random, token)
    if isinstance(changed, str) and changed.isascii() and random.random() < 0.3:
        changed = changed.encode()
    return token, changed
