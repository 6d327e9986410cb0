"""`SignedAuth` for httpx2, the maintained successor of httpx; needs the extra `httpx2`."""

from __future__ import annotations

try:
    import httpx2
except ModuleNotFoundError as error:
    if error.name != "httpx2":
        raise
    needs = "signedmsg.httpx2 needs httpx2: pip install 'signedmsg[httpx2]'"
    raise ModuleNotFoundError(needs, name=error.name) from None

from signedmsg._signed_auth import SignedCalls

__all__ = ["SignedAuth"]


class SignedAuth(SignedCalls[httpx2.Request, httpx2.Response], httpx2.Auth):
    """Signs each request, for `httpx2.Client(auth=...)` and `httpx2.AsyncClient(auth=...)`.

    ```python
    from signedmsg import SigningKey
    from signedmsg.httpx2 import SignedAuth

    auth = SignedAuth("https://billing.example", SigningKey.from_env("BILLING_KEY"))
    with httpx2.Client(auth=auth) as client:
        client.post("https://shop.example/v1/transfers", json={"amount": 42})
    ```

    Arguments and behaviour are those of `signedmsg.httpx.SignedAuth`; see there. Each of the
    two libraries refuses the other's plugins, so each has a class.
    """

    _byte_stream = httpx2.ByteStream
