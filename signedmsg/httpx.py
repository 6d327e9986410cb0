"""`SignedAuth` for httpx: an `auth=` that signs every request of a client."""

from __future__ import annotations

import httpx

from signedmsg._signed_auth import SignedCalls

__all__ = ["SignedAuth"]


class SignedAuth(SignedCalls[httpx.Request, httpx.Response], httpx.Auth):
    """Signs each request, for `httpx.Client(auth=...)` and `httpx.AsyncClient(auth=...)`.

    ```python
    from signedmsg import SigningKey
    from signedmsg.httpx import SignedAuth

    auth = SignedAuth("https://billing.example", SigningKey.from_env("BILLING_KEY"))
    with httpx.Client(auth=auth) as client:
        client.post("https://shop.example/v1/transfers", json={"amount": 42})
    ```

    Method, URL, query, content type and a digest of the body are bound to a token that is
    good for one request to one receiver; so are `content-encoding`, `content-range`,
    `idempotency-key`, `range` and the `if-` fields, where a request has them. Every attempt
    gets a token of its own. After a receiver's `expired` or `not_yet_valid` the request is signed anew, once, by the
    receiver's clock, where doing it twice does no harm: its method is idempotent, it has an
    `idempotency-key`, or the refusal itself is signed.

    What the flow raises leaves the client as it is: `SigningError`, and nothing was sent; or
    `DeliveryError`: a redirect or a retry below the signature would have sent the token again,
    or the receiver saw it twice. `AnswerError` where a signed answer is missing or wrong.

    Args:
        issuer: the `iss` of every token: who receivers know this service as.
        key: a `SigningKey`, a `KeyRing`, or another signer; one that suspends needs an
            `AsyncClient`, one that blocks a `Client`.
        audience: for whom the requests are; by default the origin of each one's URL.
        scheme: the authentication scheme of the `Authorization` field.
        lifetime: how long a token is valid, in whole seconds, at most 300.
        max_body: the longest streamed body, in bytes: a stream is read before it is signed. Also
            the longest answer whose signature is verified.
        answers: whose signed answers count: an `AnswerVerifier`, or an `AsyncAnswerVerifier` for an
            `AsyncClient`. A signature that an answer has is verified; what it says is then in
            `response.extensions["signedmsg"]`.
        require_signed_response: refuse an answer that has none; needs `answers`.
        dangerously_allow_http: sign for `http://` URLs too, in the clear.
        clock: the time in Unix seconds.

    Raises:
        TypeError, ValueError: the configuration is wrong.
    """

    _byte_stream = httpx.ByteStream
