"""Tokens and keys go both ways between this package and PyJWT, joserfc, jwcrypto and, under Node, `jose`."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from signedmsg import (
    Issuer,
    JWKSet,
    KeyDirectory,
    MemoryReplayCache,
    PlainTokens,
    Receiver,
    Sender,
    SigningKey,
    UnsupportedTokenError,
)
from signedmsg._jose.algorithms import ALGORITHMS

from .libraries import JoseRFC, JWCrypto, Library, NodeJose, PyJWT, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Its label is outdated (RFC 9864), and its peers are why we have it.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

ISSUER = "https://billing.example"
AUDIENCE = "https://shop.example/inbox"

NAMED = {"pyjwt": PyJWT, "joserfc": JoseRFC, "jwcrypto": JWCrypto}
CLASSIC = {"ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
ML_DSA = {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}
# What each must go on sharing with us; a newer release may add to it by itself.
SHARED = {
    "pyjwt": CLASSIC,
    "joserfc": CLASSIC | {"Ed25519"},
    "jwcrypto": CLASSIC | {"Ed25519"} | ML_DSA,
    "node": CLASSIC | {"Ed25519"},
}


def announced(name: str) -> set[str]:
    """Our algorithms that an installed library says it has."""
    return set(NAMED[name].algorithms & ALGORITHMS.keys()) if name in NAMED else set(SHARED[name])


PAIRS = [(name, algorithm) for name in SHARED for algorithm in ALGORITHMS if algorithm in announced(name)]


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeJose]:
    """`jose` from where the environment says, else installed once into pytest's cache."""
    program, npm = shutil.which("node"), shutil.which("npm")
    given = os.environ.get("SIGNEDMSG_TEST_NODE_MODULES")
    if program is None or (npm is None and given is None):
        pytest.skip("node and npm are not installed")
    modules = Path(given) if given else install(str(npm), request, tmp_path_factory)
    running = NodeJose.start(program, Path(__file__).parent / "jose.mjs", modules)
    yield running
    running.stop()


def install(npm: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = request.config.cache
    folder = kept.mkdir("signedmsg-node") if kept is not None else tmp_path_factory.mktemp("node")
    if not (folder / "node_modules" / "jose").is_dir():
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), "jose@6"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install jose: {done.stderr[-200:]}")
    return folder / "node_modules"


def pair_id(pair: tuple[str, str]) -> str:
    return "-".join(pair)


# Without Node there is nobody to ask; CI has it, and counts a skip as a failure.
MARKS = {"node": [pytest.mark.real_server]}


@pytest.fixture(params=[pytest.param(pair, id=pair_id(pair), marks=MARKS.get(pair[0], [])) for pair in PAIRS])
def pair(request: pytest.FixtureRequest) -> tuple[Library, str]:
    name, algorithm = request.param
    library = request.getfixturevalue("node") if name == "node" else NAMED[name]()
    return library, algorithm


@cache
def rsa_pem() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@cache
def key_for(algorithm: str) -> SigningKey:
    if algorithm.startswith(("PS", "RS")):
        return SigningKey.from_pem(rsa_pem(), alg=algorithm)
    return SigningKey.generate(algorithm)


def receiver(keys: JWKSet, **options: Any) -> Receiver:
    directory = KeyDirectory(Issuer(ISSUER, allow=["invoice.*"], keys=keys))
    return Receiver(AUDIENCE, directory, MemoryReplayCache(dangerously_accept_earlier=True), **options)


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4()), **more}


def envelope() -> dict[str, Any]:
    message = {"v": 1, "id": "m-1", "type": "invoice.paid", "time": "2026-11-23T13:24:00Z", "data": {"number": 42}}
    return claims(msg=message)


def minted_here(algorithm: str) -> str:
    with Sender(ISSUER, key_for(algorithm)) as sender:
        return sender.sign({"number": 42, "text": "Zürich ☃ 😀"}, type="invoice.paid", audience=AUDIENCE)


def published(algorithm: str) -> str:
    return JWKSet(key_for(algorithm).public).to_json()


def private(algorithm: str) -> dict[str, Any]:
    return key_for(algorithm).dangerously_to_jwk()


def header_of(algorithm: str, typ: str) -> dict[str, str]:
    return {"alg": algorithm, "kid": key_for(algorithm).kid, "typ": typ}


def test_token_minted_here_verifies_there(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    seen = library.verify(minted_here(algorithm), published(algorithm), algorithm, ISSUER, AUDIENCE)
    assert seen["msg"]["data"] == {"number": 42, "text": "Zürich ☃ 😀"}


def test_token_minted_here_and_altered_is_refused_there(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    head, payload, signature = minted_here(algorithm).split(".")
    octets = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).replace(b'"number":42', b'"number":43')
    changed = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    assert changed != payload
    with pytest.raises(RefusedError):
        library.verify(f"{head}.{changed}.{signature}", published(algorithm), algorithm, ISSUER, AUDIENCE)


def test_token_minted_here_is_refused_there_for_another_audience(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    with pytest.raises(RefusedError):
        library.verify(minted_here(algorithm), published(algorithm), algorithm, ISSUER, AUDIENCE + "/other")


def test_envelope_minted_there_verifies_here(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    token = library.sign(header_of(algorithm, "vnd.signedmsg+jwt"), envelope(), private(algorithm))
    message = receiver(JWKSet(key_for(algorithm).public)).verify(token)
    assert (message.id, message.data) == ("m-1", {"number": 42})


@pytest.mark.parametrize("typ", ["JWT", "invoice+jwt"])
def test_plain_token_minted_there_verifies_here_under_a_matching_policy(pair: tuple[Library, str], typ: str) -> None:
    library, algorithm = pair
    token = library.sign(header_of(algorithm, typ), claims(number=42), private(algorithm))
    policy = PlainTokens(typ=typ, type="invoice.paid", required=("number",))
    message = receiver(JWKSet(key_for(algorithm).public), tokens=policy).verify(token)
    assert (message.type, message.data) == ("invoice.paid", {"number": 42})


def test_plain_token_minted_there_is_no_envelope(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    token = library.sign(header_of(algorithm, "JWT"), claims(number=42), private(algorithm))
    with pytest.raises(UnsupportedTokenError):
        receiver(JWKSet(key_for(algorithm).public)).verify(token)


def test_jwk_set_exported_there_loads_here(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    (loaded,) = JWKSet.from_json(library.export(private(algorithm)))
    assert loaded == key_for(algorithm).public


def test_key_generated_there_signs_here(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    key = SigningKey.from_jwk({**library.generate(algorithm), "kid": "theirs"})
    keys = JWKSet.from_json(library.export({**key.dangerously_to_jwk()}))
    with Sender(ISSUER, key) as sender:
        token = sender.sign({"number": 42}, type="invoice.paid", audience=AUDIENCE)
    assert receiver(keys).verify(token).data == {"number": 42}
    assert library.verify(token, keys.to_json(), algorithm, ISSUER, AUDIENCE)["msg"]["data"] == {"number": 42}


def test_thumbprints_agree(pair: tuple[Library, str]) -> None:
    library, algorithm = pair
    theirs = library.thumbprint(private(algorithm))
    assert theirs in (key_for(algorithm).public.thumbprint, None)
    assert (theirs is None) is isinstance(library, PyJWT)


def test_no_pair_of_library_and_algorithm_has_gone_missing() -> None:
    missing = {(name, algorithm) for name, shared in SHARED.items() for algorithm in shared} - set(PAIRS)
    assert missing == set()
    assert len(PAIRS) == len(set(PAIRS)) >= 46


def test_every_algorithm_is_shared_with_some_library() -> None:
    assert {algorithm for _, algorithm in PAIRS} == set(ALGORITHMS)


@pytest.mark.real_server
def test_algorithms_of_jose_under_node_are_those_tried(node: NodeJose) -> None:
    assert {algorithm for algorithm in ALGORITHMS if node.supports(algorithm)} - ML_DSA == SHARED["node"]


@pytest.mark.parametrize("algorithm", sorted(ML_DSA))
def test_ml_dsa_goes_both_ways_with_jose_where_this_node_has_it(node: NodeJose, algorithm: str) -> None:
    if not node.supports(algorithm):
        pytest.skip("this Node has no ML-DSA (24.7 is the first that has)")
    keys = JWKSet(key_for(algorithm).public)
    assert node.verify(minted_here(algorithm), keys.to_json(), algorithm, ISSUER, AUDIENCE)["iss"] == ISSUER
    token = node.sign(header_of(algorithm, "vnd.signedmsg+jwt"), envelope(), private(algorithm))
    assert receiver(keys).verify(token).id == "m-1"


def test_rsa_modulus_with_a_leading_zero_as_some_write_it_loads_here() -> None:
    jwk = private("RS256")
    padded = base64.urlsafe_b64encode(b"\x00" + base64.urlsafe_b64decode(jwk["n"] + "==")).rstrip(b"=").decode()
    document = json.loads(published("RS256"))
    document["keys"][0]["n"] = padded
    (loaded,) = JWKSet.from_json(json.dumps(document))
    assert loaded == key_for("RS256").public
