"""What each blocking door costs a call, beside the same application with none: `python -m tests.bench.doors_sync`.

Without a server and a client: the application is called as a server would call it, with tokens
made beforehand. Prints figures and asserts nothing, since they depend on the machine.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from flask import Flask, request

import signedmsg.django
import signedmsg.flask
from signedmsg import Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Receiver, SigningKey
from signedmsg._core.components import content_digest
from tests.doors import django_site

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER: Final = "https://billing.example"
BODY: Final = json.dumps({"number": 42, "note": "x" * 170}).encode()
KEY: Final = SigningKey.generate()
CALLS: Final = 200
ROUNDS: Final = 15


def receiver() -> Receiver:
    directory = KeyDirectory(Issuer(ISSUER, allow=["POST /v1/orders"], keys=JWKSet(KEY.public)))
    return Receiver(
        "https://shop.example", directory, MemoryReplayCache(capacity=1_000_000), observe=lambda event: None
    )


def token(serial: int) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "https://shop.example",
        "iat": now + 1,
        "exp": now + 61,
        "jti": f"{serial:022}",
        "htm": "POST",
        "htu": "https://shop.example/v1/orders",
        "http": {"content-type": "application/json", "content-digest": content_digest(BODY)},
    }
    parts = [{"alg": KEY.alg, "kid": KEY.kid, "typ": "vnd.signedmsg.req+jwt"}, claims]
    signing_input = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return f"{signing_input.decode()}.{base64.urlsafe_b64encode(KEY.sign(signing_input)).rstrip(b'=').decode()}"


def environ(bearer: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/v1/orders",
        "REQUEST_URI": "/v1/orders",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_HOST": "shop.example",
        "HTTP_AUTHORIZATION": f"Bearer {bearer}",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def call_wsgi(app: Any) -> Callable[[str], None]:
    def call(bearer: str) -> None:
        said: list[str] = []
        answer = app(environ(bearer), lambda status, headers, exc_info=None: said.append(status))
        b"".join(answer)
        assert said[0].startswith("200"), said

    return call


def flask_app(*, signed: bool) -> Callable[[str], None]:
    app = Flask(__name__)

    def order() -> str:
        return str(len(request.get_data()))

    app.add_url_rule(
        "/v1/orders", "order", signedmsg.flask.signed(receiver())(order) if signed else order, methods=["POST"]
    )
    return call_wsgi(app)


def django_app(*, signed: bool) -> Callable[[str], None]:
    def order(request: Any) -> Any:
        return HttpResponse(str(len(request.body)))

    return served(signedmsg.django.signed(receiver())(order) if signed else csrf_exempt(order))


def drf_app(*, signed: bool) -> Callable[[str], None]:
    # Once there are settings.
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from signedmsg.drf import signed_authentication

    class Order(APIView):
        authentication_classes = [signed_authentication(receiver())] if signed else []

        def post(self, request: Any) -> Any:
            return Response(len(request.body))

    return served(Order.as_view())


def served(view: Any) -> Callable[[str], None]:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20
    call = call_wsgi(django_site.WSGI)

    def call_view(bearer: str) -> None:
        django_site.route(orders=view)
        call(bearer)

    return call_view


def lambda_function(*, signed: bool) -> Callable[[str], None]:
    from signedmsg import aws_lambda

    def handler(call: Any, context: object) -> dict[str, int]:
        return {"statusCode": 200, "size": 1}

    function: Any = aws_lambda.signed(receiver())(handler) if signed else handler

    def call(bearer: str) -> None:
        event = {
            "version": "2.0",
            "rawPath": "/v1/orders",
            "rawQueryString": "",
            "headers": {"content-type": "application/json", "authorization": f"Bearer {bearer}"},
            "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
            "body": base64.b64encode(BODY).decode(),
            "isBase64Encoded": True,
        }
        assert function(event, None)["statusCode"] == 200

    return call


def bare() -> Callable[[str], None]:
    """The receiver alone: what no door can be cheaper than."""
    one = receiver()

    def call(bearer: str) -> None:
        headers = [("authorization", f"Bearer {bearer}"), ("content-type", "application/json")]
        one.verify_request("POST", "/v1/orders", headers, BODY)

    return call


def measure(call: Callable[[str], None], tokens: list[str]) -> float:
    before = time.perf_counter()
    for bearer in tokens:
        call(bearer)
    return (time.perf_counter() - before) / len(tokens)


def main() -> None:
    logging.disable()
    doors = {"Flask": flask_app, "Django": django_app, "Django REST framework": drf_app, "Lambda": lambda_function}
    pairs = {name: (make(signed=False), make(signed=True)) for name, make in doors.items()}
    alone = bare()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    verifying: list[float] = []
    for number in range(ROUNDS):
        # The same tokens for each: every receiver has a cache of its own.
        tokens = [token(number * CALLS + at) for at in range(CALLS)]
        verifying.append(measure(alone, tokens))
        for name, (without, with_door) in pairs.items():
            taken[name].append((measure(without, tokens), measure(with_door, tokens)))
    least = statistics.median(verifying)
    print(f"verify_request alone: {least * 1e6:.0f} µs for a body of {len(BODY)} bytes, ES256")
    for name, rounds in taken.items():
        without, with_door = (statistics.median(column) for column in zip(*rounds, strict=True))
        added = with_door - without
        print(
            f"{name:<22} without {without * 1e6:6.0f} µs  with {with_door * 1e6:6.0f} µs"
            f"  ratio {with_door / without:5.2f}  added {added * 1e6:5.0f} µs: the door {(added - least) * 1e6:4.0f} µs"
        )


if __name__ == "__main__":
    main()
