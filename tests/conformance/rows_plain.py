"""Wrong under the policy for plainer tokens that another library minted."""

from __future__ import annotations

from typing import Final

from signedmsg import PlainTokens

from .rows_message import Invoice, router
from .table import Row, Setup, trusting
from .tokens import AUDIENCE, GONE, NOW, TYP, envelope, key, plain

KEY: Final = key("ES256")
AS_JWT: Final = Setup(options={"tokens": PlainTokens(typ="JWT", type="payment")})
UNTYPED: Final = Setup(options={"tokens": PlainTokens(typ=None, type="payment", required=["amount", "sub"])})
LONG: Final = Setup(options={"tokens": PlainTokens(typ="JWT", type="payment", max_lifetime=3600)})
ROWS: Final = (
    Row("plain-envelope-typ", "unsupported", envelope(), AS_JWT),
    Row("plain-typ-missing", "unsupported", plain(header={"typ": GONE}), AS_JWT),
    Row("plain-typ-of-an-access-token", "unsupported", plain(header={"typ": "at+jwt"}), AS_JWT),
    Row("plain-typ-where-none-is-expected", "unsupported", plain({"sub": "x"}), UNTYPED),
    Row("plain-typ-null-where-none-is-expected", "malformed", plain({"sub": "x"}, {"typ": None}), UNTYPED),
    Row("plain-token-at-an-envelope-receiver", "unsupported", plain()),
    Row("plain-token-in-an-envelope-header", "claim", plain(header={"typ": TYP})),
    Row("plain-required-claim-missing", "claim", plain({"amount": GONE, "sub": "x"}, {"typ": GONE}), UNTYPED),
    Row("plain-sub-required-and-missing", "claim", plain({}, {"typ": GONE}), UNTYPED),
    Row("plain-scope-not-named", "claim", plain({"sub": "x", "scope": "r"}, {"typ": GONE}), UNTYPED),
    Row("plain-sub-not-named", "claim", plain({"sub": "x"}), AS_JWT),
    Row("plain-events-not-named", "claim", plain({"events": {}}), AS_JWT),
    Row("plain-client-id-not-named", "claim", plain({"client_id": "x"}), AS_JWT),
    Row("plain-iss-missing", "claim", plain({"iss": GONE}), AS_JWT),
    Row("plain-aud-missing", "claim", plain({"aud": GONE}), AS_JWT),
    Row("plain-aud-array", "claim", plain({"aud": [AUDIENCE]}), AS_JWT),
    Row("plain-iat-missing", "claim", plain({"iat": GONE}), AS_JWT),
    Row("plain-exp-missing", "claim", plain({"exp": GONE}), AS_JWT),
    Row("plain-jti-missing", "claim", plain({"jti": GONE}), AS_JWT),
    Row("plain-iat-beyond-every-calendar", "not_yet_valid", plain({"iat": 2**53 - 60, "exp": 2**53 - 1}), AS_JWT),
    Row("plain-kid-missing", "malformed", plain(header={"kid": GONE}), AS_JWT),
    Row("plain-crit", "unsupported", plain(header={"crit": ["exp"]}), AS_JWT),
    Row("plain-too-long", "lifetime", plain({"exp": NOW + 301}), AS_JWT),
    Row("plain-too-long-for-its-own-cap", "lifetime", plain({"exp": NOW + 3601}), LONG),
    Row("plain-other-audience", "audience", plain({"aud": "https://evil.example"}), AS_JWT),
    Row("plain-expired", "expired", plain({"iat": NOW - 200, "exp": NOW - 100}), AS_JWT),
    Row("plain-bad-signature", "invalid_signature", plain(signer=key("ES256", 2), header={"kid": KEY.kid}), AS_JWT),
    Row(
        "plain-type-not-allowed",
        "not_allowed",
        plain(),
        Setup(trusting(KEY, allow=["order.*"]).issuers, AS_JWT.options),
    ),
    Row(
        "plain-account-cannot-be-shown",
        "not_allowed",
        plain({"account": "acme"}),
        Setup(options={**AS_JWT.options, "account": "acme"}),
    ),
    Row("plain-model-misfit", "payload", plain(), Setup(options=AS_JWT.options, model=Invoice)),
    Row(
        "plain-unknown-type-at-the-router",
        "unknown_type",
        plain(),
        Setup(options=AS_JWT.options, router=router("order")),
    ),
    Row("plain-replayed", "replayed", plain(), Setup(options=AS_JWT.options, before=(plain(),))),
)
ACCEPTED: Final = (
    Row("plain-token", "", plain(), AS_JWT),
    Row("plain-typ-in-another-case", "", plain(header={"typ": "application/jwt"}), AS_JWT),
    Row("plain-without-typ", "", plain({"sub": "x"}, {"typ": GONE}), UNTYPED),
    Row("plain-at-its-own-cap", "", plain({"exp": NOW + 3600}), LONG),
)
