"""RFC 8037, Appendix A: Ed25519 in JOSE."""

from __future__ import annotations

import pytest

from signedmsg._jose import base64url
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import InvalidKeyError, InvalidSignatureError
from signedmsg.keys.signing import SigningKey
from tests.conformance.known import by_id

VECTORS = by_id("rfc8037_appendix_a")
SIGNED = VECTORS["rfc8037-A.4"]
SIGNING_INPUT = SIGNED["compact"].rpartition(".")[0].encode()
SIGNATURE = base64url.decode(SIGNED["compact"].rpartition(".")[2])


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    key = SigningKey.from_jwk(VECTORS["rfc8037-A.3"]["jwk"])
    assert key.public.thumbprint == VECTORS["rfc8037-A.3"]["thumbprint_s256"]


@pytest.mark.parametrize("label", ["EdDSA", "Ed25519"])
def test_the_signature_is_that_of_the_rfc_under_both_labels(label: str) -> None:
    assert SigningKey.from_jwk({**SIGNED["jwk"], "alg": label}).sign(SIGNING_INPUT) == SIGNATURE


def test_the_signature_of_the_rfc_verifies() -> None:
    public = SigningKey.from_jwk(SIGNED["jwk"]).public
    public.verify(SIGNATURE, SIGNING_INPUT)
    with pytest.raises(InvalidSignatureError):
        public.verify(SIGNATURE, SIGNING_INPUT + b"A")


def test_a_signature_whose_s_is_not_below_the_order_does_not_verify() -> None:
    # RFC 8032 §5.1.7: else every signature would have a twin.
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(SIGNATURE[32:], "little") + order
    with pytest.raises(InvalidSignatureError):
        SigningKey.from_jwk(SIGNED["jwk"]).public.verify(SIGNATURE[:32] + s.to_bytes(32, "little"), SIGNING_INPUT)


def test_the_key_agreement_key_is_no_signing_key() -> None:
    with pytest.raises(InvalidKeyError, match="crv"):
        PublicKey.from_jwk(VECTORS["rfc8037-A.6"]["recipient_jwk"])
