"""Other people's JOSE libraries behind one face: each verifies, signs, generates, exports and names keys as it does."""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import joserfc.jwk
import joserfc.jwt
import jwcrypto.jwk
import jwcrypto.jws
import jwcrypto.jwt
import jwt
from joserfc.jws import JWSRegistry

if TYPE_CHECKING:
    from pathlib import Path

JWK = dict[str, Any]
_SECRET = ("d", "p", "q", "dp", "dq", "qi", "priv")


class RefusedError(Exception):
    """The library did not accept a token."""


class Library(ABC):
    """`jwk` is always a private key with `alg` and `kid`, `keys` the text of a JWK Set."""

    @abstractmethod
    def verify(self, token: str, keys: str, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        """Return the claims after the checks that a user of the library would ask for, or raise `RefusedError`."""

    @abstractmethod
    def sign(self, header: dict[str, str], claims: dict[str, Any], jwk: JWK) -> str:
        """Return a token with exactly this header."""

    @abstractmethod
    def generate(self, algorithm: str) -> JWK:
        """Make a private key."""

    @abstractmethod
    def export(self, jwk: JWK) -> str:
        """Return a JWK Set of the public half, the members as the library writes them."""

    def thumbprint(self, jwk: JWK) -> str | None:
        """Return the RFC 7638 thumbprint, or None where the library has none."""
        return None


def set_of(members: JWK, jwk: JWK) -> str:
    """A JWK Set of one key, with the name that a library does not write by itself."""
    return json.dumps({"keys": [{**members, "kid": jwk["kid"], "alg": jwk["alg"], "use": "sig"}]})


class PyJWT(Library):
    algorithms = frozenset(jwt.algorithms.get_default_algorithms())

    def verify(self, token: str, keys: str, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        try:
            key = jwt.PyJWKSet.from_json(keys)[jwt.get_unverified_header(token)["kid"]]
            required = {"require": ["exp", "iat", "iss", "aud", "jti"]}
            return jwt.decode(token, key, [algorithm], required, audience=audience, issuer=issuer)
        except jwt.PyJWTError as error:
            raise RefusedError from error

    def sign(self, header: dict[str, str], claims: dict[str, Any], jwk: JWK) -> str:
        members = {name: value for name, value in header.items() if name != "alg"}
        return jwt.encode(claims, jwt.PyJWK(jwk), header["alg"], members)

    def generate(self, algorithm: str) -> JWK:
        # PyJWT makes no keys; it is left to `cryptography`, and only the writing is its own.
        from signedmsg import SigningKey

        pem = SigningKey.generate(algorithm).to_pem()
        worker = jwt.algorithms.get_default_algorithms()[algorithm]
        return {**worker.to_jwk(worker.prepare_key(pem), as_dict=True), "alg": algorithm}

    def export(self, jwk: JWK) -> str:
        worker = jwt.algorithms.get_default_algorithms()[jwk["alg"]]
        key: Any = jwt.PyJWK(jwk).key
        return set_of(worker.to_jwk(key.public_key(), as_dict=True), jwk)


class JoseRFC(Library):
    algorithms = frozenset(JWSRegistry.algorithms)

    def verify(self, token: str, keys: str, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        rules = joserfc.jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            jti={"essential": True},
        )
        try:
            read = joserfc.jwt.decode(token, joserfc.jwk.KeySet.import_key_set(json.loads(keys)), [algorithm])
            rules.validate(read.claims)
        except joserfc.errors.JoseError as error:
            raise RefusedError from error
        return read.claims

    def sign(self, header: dict[str, str], claims: dict[str, Any], jwk: JWK) -> str:
        return joserfc.jwt.encode(header, claims, joserfc.jwk.import_key(jwk), [header["alg"]])

    def generate(self, algorithm: str) -> JWK:
        kind = {"E": "OKP", "P": "RSA", "R": "RSA"}[algorithm[0]]
        size: Any = 2048 if kind == "RSA" else "Ed25519"
        if algorithm.startswith("ES"):
            kind, size = "EC", {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]
        key = joserfc.jwk.generate_key(kind, size, {"alg": algorithm}, private=True)
        return dict(key.as_dict(private=True))

    def export(self, jwk: JWK) -> str:
        return json.dumps(joserfc.jwk.KeySet([joserfc.jwk.import_key(jwk)]).as_dict(private=False))

    def thumbprint(self, jwk: JWK) -> str:
        return joserfc.jwk.import_key(jwk).thumbprint()


class JWCrypto(Library):
    algorithms = frozenset(jwcrypto.jws.default_allowed_algs)

    def verify(self, token: str, keys: str, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        rules = {"iss": issuer, "aud": audience, "exp": None, "iat": None, "jti": None}
        try:
            read = jwcrypto.jwt.JWT(algs=[algorithm], check_claims=rules, expected_type="JWS")
            read.deserialize(token, jwcrypto.jwk.JWKSet.from_json(keys))
        except (jwcrypto.common.JWException, ValueError) as error:
            raise RefusedError from error
        return dict(json.loads(read.claims))

    def sign(self, header: dict[str, str], claims: dict[str, Any], jwk: JWK) -> str:
        token = jwcrypto.jwt.JWT(header=header, claims=claims)
        token.make_signed_token(jwcrypto.jwk.JWK(**jwk))
        return str(token.serialize())

    def generate(self, algorithm: str) -> JWK:
        curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
        if algorithm.startswith("ML-DSA"):
            options: JWK = {"kty": "AKP"}
        elif algorithm.startswith(("PS", "RS")):
            options = {"kty": "RSA", "size": 2048}
        else:
            options = {"kty": "EC" if algorithm.startswith("ES") else "OKP", "crv": curves[algorithm]}
        return dict(jwcrypto.jwk.JWK.generate(alg=algorithm, **options).export_private(as_dict=True))

    def export(self, jwk: JWK) -> str:
        keys = jwcrypto.jwk.JWKSet()
        keys.add(jwcrypto.jwk.JWK(**jwk))
        return str(keys.export(private_keys=False))

    def thumbprint(self, jwk: JWK) -> str:
        return str(jwcrypto.jwk.JWK(**jwk).thumbprint())


class NodeJose(Library):
    """`jose` under Node, in one process that answers requests as long as it is needed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    def start(cls, node: str, script: Path, modules: Path) -> NodeJose:
        pipe = subprocess.PIPE
        return cls(subprocess.Popen([node, str(script), str(modules)], stdin=pipe, stdout=pipe, text=True))

    def stop(self) -> None:
        self._process.communicate(timeout=20)

    def _ask(self, action: str, **options: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"action": action, **options}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer["result"]

    def supports(self, algorithm: str) -> bool:
        return bool(self._ask("supports", algorithm=algorithm))

    def verify(self, token: str, keys: str, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        claims = self._ask(
            "verify", token=token, set=json.loads(keys), algorithm=algorithm, issuer=issuer, audience=audience
        )
        return dict(claims)

    def sign(self, header: dict[str, str], claims: dict[str, Any], jwk: JWK) -> str:
        return str(self._ask("sign", header=header, claims=claims, jwk=jwk))

    def generate(self, algorithm: str) -> JWK:
        return dict(self._ask("generate", algorithm=algorithm))

    def export(self, jwk: JWK) -> str:
        return set_of(self._ask("exportPublic", jwk=jwk), jwk)

    def thumbprint(self, jwk: JWK) -> str:
        public = {name: value for name, value in jwk.items() if name not in _SECRET}
        return str(self._ask("thumbprint", jwk=public))
