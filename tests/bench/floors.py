"""The floors: the bare signature of `cryptography`, and that with the JSON of the message read or written.

A floor is given everything ready: the signature in the form that `cryptography` takes, the signing
input in one piece, the claims already out of their base64. It checks nothing but the signature.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from tests.bench.peers.rules import Keys

    Call = Callable[[Any], object]

RAW: Final = "bare signature"
RANDOM_NONCE: Final = "bare signature, random nonce"
PARSE: Final = "signature + "
PARSE_MODEL: Final = "signature, parsed into the model"
_ECDSA: Final = ec.ECDSA(hashes.SHA256())
_RFC6979: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class Taken(NamedTuple):
    """A token taken apart."""

    signature: bytes
    signing_input: bytes
    claims: bytes


def take(token: str, alg: str) -> Taken:
    signing_input, _, signature = token.rpartition(".")
    raw = unpadded(signature)
    if alg == "ES256":
        raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return Taken(raw, signing_input.encode(), unpadded(signing_input.partition(".")[2]))


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verifying(keys: Keys, model: type[BaseModel] | None) -> dict[str, Call]:
    """Return the floors of a verification by name; each takes a `Taken`."""
    check = _check(keys)
    floors: dict[str, Call] = {RAW: check}
    for name, parse in (("json.loads", json.loads), ("from_json", from_json)):
        floors[PARSE + name] = _both(check, parse)
    if model is not None:
        validate = model.model_validate
        floors[PARSE_MODEL] = _both(check, lambda claims: validate(from_json(claims)["msg"]["data"]))
    return floors


def _check(keys: Keys) -> Callable[[Taken], None]:
    public: Any = keys.public
    if keys.alg == "ES256":
        return lambda taken: public.verify(taken.signature, taken.signing_input, _ECDSA)
    return lambda taken: public.verify(taken.signature, taken.signing_input)


def _both(check: Callable[[Taken], None], parse: Callable[[bytes], object]) -> Call:
    def call(taken: Taken) -> object:
        check(taken)
        return parse(taken.claims)

    return call


def signing(keys: Keys) -> dict[str, Call]:
    """Return the floors of a signature by name; each takes a pair of data and signing input."""
    private: Any = keys.private
    if keys.alg == "ES256":
        sign = _signer(lambda signing_input: private.sign(signing_input, _RFC6979))
        others = {RANDOM_NONCE: _signer(lambda signing_input: private.sign(signing_input, _ECDSA))}
    else:
        sign, others = _signer(private.sign), {}
    dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
    floors = {RAW: sign, **others}
    for name, dump in (("json.dumps", lambda data: dumps(data).encode()), ("to_json", to_json)):
        floors[PARSE + name] = _written(sign, dump)
    return floors


def _signer(sign: Callable[[bytes], bytes]) -> Call:
    return lambda pair: sign(pair[1])


def _written(sign: Call, dump: Callable[[Any], bytes]) -> Call:
    def call(pair: tuple[object, bytes]) -> object:
        dump(pair[0])
        return sign(pair)

    return call
