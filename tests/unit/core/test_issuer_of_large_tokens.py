"""Before anything is proven, of a large claims set only `iss` is read; strictly only afterwards."""

from __future__ import annotations

from typing import Final

import pytest

from signedmsg import (
    ClaimError,
    InvalidSignatureError,
    Issuer,
    JWKSet,
    KeyDirectory,
    MalformedTokenError,
    MemoryReplayCache,
    Receiver,
    SigningKey,
    UnknownIssuerError,
)
from signedmsg._core.policy import ENVELOPE_TYP
from signedmsg._jose import jws

KEY: Final = SigningKey.generate()
ISSUER: Final = "https://billing.example"
FILLING: Final = '"x":"' + "x" * 2000 + '"'


def verify(payload: str, *, signature: bytes | None = None) -> object:
    written = jws.compose(KEY.alg, KEY.kid, ENVELOPE_TYP, payload.encode())
    token = jws.assemble(written, KEY.sign(written) if signature is None else signature)
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=JWKSet(KEY.public)))
    return Receiver("https://shop.example/inbox", directory, MemoryReplayCache()).verify(token)


@pytest.mark.parametrize(
    "flaw", ['"a":1,"a":2', '"a":' + "[" * 40 + "]" * 40, '"a":1e999', '"iss":"https://x.example"']
)
def test_flaw_in_a_large_claims_set_is_found_once_the_signature_holds_and_not_before(flaw: str) -> None:
    payload = f'{{{FILLING},{flaw},"iss":"{ISSUER}"}}'
    with pytest.raises(InvalidSignatureError):
        verify(payload, signature=b"\x01" * 64)
    with pytest.raises(MalformedTokenError):
        verify(payload)


@pytest.mark.parametrize("payload", [f"{{{FILLING}", f"[{{{FILLING}}}]", f"{{{FILLING}}}x", f"{{{FILLING},}}"])
def test_large_payload_that_is_no_json_object_is_malformed_at_once(payload: str) -> None:
    with pytest.raises(MalformedTokenError):
        verify(payload, signature=b"\x01" * 64)


@pytest.mark.parametrize("iss", ["1", "null", '""', '"a b"', '["https://billing.example"]'])
def test_issuer_of_another_form_is_refused_in_a_large_claims_set_too(iss: str) -> None:
    with pytest.raises(ClaimError, match="iss"):
        verify(f'{{{FILLING},"iss":{iss}}}')


def test_iss_deeper_down_names_nobody() -> None:
    with pytest.raises(ClaimError, match="iss"):
        verify(f'{{{FILLING},"msg":{{"iss":"{ISSUER}"}}}}')


def test_unknown_issuer_of_a_large_claims_set_is_refused() -> None:
    with pytest.raises(UnknownIssuerError):
        verify(f'{{{FILLING},"iss":"https://evil.example"}}')
