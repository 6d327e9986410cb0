"""A token goes to the URL it was signed for and nowhere else: no redirects, credentials, cookies or proxies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import signedmsg
from signedmsg import DeliveryError

from .faces import FACES, Face, Given, failure, told
from .faults import FaultServer, answer


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


CLIENTS: dict[str, Given] = {
    "own": None,
    # Not verifying spares each the certificates of the system, which take long to load.
    "given": lambda kind: kind(verify=False),
    "that follows redirects": lambda kind: kind(verify=False, follow_redirects=True),
    "with a password": lambda kind: kind(verify=False, auth=("user", "password"), follow_redirects=True),
    "with digest": lambda kind: kind(verify=False, auth=httpx.DigestAuth("user", "password"), follow_redirects=True),
    "with cookies": lambda kind: kind(verify=False, cookies={"session": "1"}, follow_redirects=True),
    "with a base URL": lambda kind: kind(verify=False, base_url="http://127.0.0.1:1/x/", follow_redirects=True),
}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Given:
    return CLIENTS[request.param]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_never_followed(face: Face, client: Given, status: int) -> None:
    with FaultServer(answer(204)) as target:
        error = failure(face, answer(status, location=target.url), client=client)
    assert target.requests == []
    assert told(error) == ("retry", status, None, None)


def test_redirect_to_the_same_server_is_not_followed_either(face: Face, client: Given) -> None:
    assert failure(face, answer(307, location="/inbox/"), client=client).status == 307


@pytest.mark.parametrize(
    "location", ["https://xn--a.example/", "https://[::1::]/", "//", "https://", "a" * 70000], ids=range(5)
)
def test_redirect_to_nonsense_is_no_error_of_ours(face: Face, client: Given, location: str) -> None:
    error = failure(face, answer(307, location=location), client=client)
    assert (error.outcome, error.status) in [("retry", 307), ("unknown", None)]


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Digest realm="x", nonce="y", qop="auth", algorithm=SHA-256'])
def test_challenge_is_not_answered_with_the_same_token(face: Face, client: Given, challenge: str) -> None:
    with FaultServer(answer(401, WWW_Authenticate=challenge), answer(204)) as server:
        with pytest.raises(DeliveryError) as caught:
            face.send(server.url, client=client)
        (request,) = server.requests
    assert caught.value.status == 401
    assert "authorization" not in request.headers


def test_cookie_of_a_receiver_is_not_kept(face: Face) -> None:
    with FaultServer(answer(204, Set_Cookie="track=1; Path=/")) as server:
        face.send(server.url, server.url)
        first, second = server.requests
    assert "cookie" not in first.headers
    assert "cookie" not in second.headers


def test_proxy_of_the_environment_is_not_used() -> None:
    script = (
        "import sys; from signedmsg import Sender, SigningKey\n"
        "with Sender('https://a.example', SigningKey.generate(), dangerously_allow_http=True) as sender:\n"
        "    print(sender.send(sys.argv[1], {}, type='t').status)\n"
    )
    with FaultServer(answer(299)) as proxy, FaultServer(answer(204)) as server:
        elsewhere = proxy.url.removesuffix("/inbox")
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        environment = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
        environment |= dict.fromkeys(names, elsewhere)
        environment["PYTHONPATH"] = str(Path(str(signedmsg.__file__)).parent.parent)
        done = subprocess.run(
            [sys.executable, "-c", script, server.url], env=environment, capture_output=True, text=True, check=True
        )
    assert done.stdout == "204\n"
    assert (len(proxy.requests), len(server.requests)) == (0, 1)
