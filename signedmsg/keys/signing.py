"""A private key that signs, and never prints, pickles, copies or compares its secret."""

from __future__ import annotations

import errno
import os
import secrets
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NoReturn

from signedmsg._jose import pem, strict_json
from signedmsg._jose.algorithms import ALGORITHMS, DEFAULT_ALGORITHM
from signedmsg._jose.jwk import PublicKey, check_use
from signedmsg._jose.secret_material import PRIVATE_MEMBERS, load_private, private_members
from signedmsg._jose.shown import is_secret
from signedmsg.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from signedmsg._jose.algorithms import Private
    from signedmsg._jose.strict_json import JSONValue

_MAX_FILE: Final = 64 * 1024


class SigningKey:
    """A private key in this process's memory. Immutable; safe to share between threads and tasks.

    Attributes:
        alg: the one JWS algorithm it is for.
        kid: its id in the issuer's directory.
        not_before: the NumericDate before which it must not sign, or None.
        expires: the NumericDate from which on it must not sign, or None.
        public: the public half, to be published.
        waits: how `sign` waits; it never does.
    """

    __slots__ = ("__weakref__", "_key", "_sign", "alg", "expires", "kid", "not_before", "public")

    waits: ClassVar[Literal["never"]] = "never"
    alg: str
    kid: str
    not_before: int | None
    expires: int | None
    public: PublicKey
    _key: Private
    _sign: Callable[[bytes], bytes]

    def __init__(self, key: Private, public: PublicKey) -> None:
        """Not for direct use: a key comes from `generate`, `load` or one of the `from_` methods."""
        values = {
            "_key": key,
            "_sign": ALGORITHMS[public.alg].signer(key),
            "alg": public.alg,
            "expires": public.expires,
            "kid": public.kid,
            "not_before": public.not_before,
            "public": public,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def generate(cls, alg: str = DEFAULT_ALGORITHM) -> SigningKey:
        """Make a new key; its kid is its thumbprint (RFC 7638).

        Raises:
            InvalidKeyError: no such algorithm.
        """
        if alg not in ALGORITHMS:
            raise InvalidKeyError(f"alg: expected one of {', '.join(ALGORITHMS)}")
        key = ALGORITHMS[alg].generate()
        return cls(key, PublicKey(key.public_key(), alg=alg))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, password: str | bytes | None = None, alg: str | None = None
    ) -> SigningKey:
        """Read a key from a file: PEM, or a JWK as JSON. An RSA key in PEM needs `alg`.

        Warns when others than the file's owner can read it.

        Raises:
            InvalidKeyError: the file cannot be read, or holds no key that may be used.
        """
        if is_secret(os.fsdecode(path)):
            # The path would stand in the error, and so in logs.
            raise InvalidKeyError("expected the path of a key file, got the text of a key; use from_pem or from_jwk")
        try:
            with Path(path).open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(_MAX_FILE + 1)
        except OSError as error:
            raise InvalidKeyError(f"the key file {os.fspath(path)!r} cannot be read: {error.strerror}") from None
        if sys.platform != "win32" and mode & 0o044:
            warnings.warn(f"the key file {os.fspath(path)!r} can be read by others: chmod 600 it", stacklevel=2)
        try:
            return cls._from_text(data, password, alg)
        except InvalidKeyError as error:
            raise InvalidKeyError(f"the key file {os.fspath(path)!r}: {error}", code=error.code) from None

    @classmethod
    def from_env(cls, name: str, *, password_env: str | None = None, alg: str | None = None) -> SigningKey:
        r"""Read a key from an environment variable: PEM (line ends may be written `\n`), or a JWK.

        Raises:
            InvalidKeyError: a variable is not set, or holds no key that may be used.
        """
        text = _environ(name)
        if not text.lstrip().startswith("{"):
            text = text.replace("\\n", "\n")
        password = None if password_env is None else _environ(password_env)
        try:
            return cls._from_text(text.encode("utf-8", "surrogateescape"), password, alg)
        except InvalidKeyError as error:
            raise InvalidKeyError(f"the environment variable {name}: {error}", code=error.code) from None

    @classmethod
    def _from_text(cls, data: bytes, password: str | bytes | None, alg: str | None) -> SigningKey:
        if len(data) > _MAX_FILE:
            raise InvalidKeyError(f"larger than {_MAX_FILE} bytes")
        if not data.lstrip().startswith(b"{"):
            return cls.from_pem(data, password=password, alg=alg)
        if password is not None:
            raise InvalidKeyError("a JWK is not encrypted, yet a password was given")
        key = cls._from_json(data)
        if alg is not None and alg != key.alg:
            raise InvalidKeyError(f"alg: expected {alg}, the JWK is for {key.alg}")
        return key

    @classmethod
    def from_pem(
        cls,
        text: str | bytes,
        *,
        password: str | bytes | None = None,
        alg: str | None = None,
        kid: str | None = None,
    ) -> SigningKey:
        """Read a private key in PEM form (PKCS #8). An RSA key needs `alg`.

        Raises:
            InvalidKeyError: no key that may be used, or the password is wrong.
        """
        key = pem.load_private(text, password)
        return cls(key, PublicKey(key.public_key(), alg=alg, kid=kid))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object] | str) -> SigningKey:
        """Read a private JWK; its `nbf` and `exp` bound when the key may sign.

        Raises:
            InvalidKeyError: no key that may be used.
        """
        if isinstance(jwk, str):
            return cls._from_json(jwk.encode("utf-8", "surrogatepass"))
        if "keys" in jwk and "kty" not in jwk:
            raise InvalidKeyError("a private key is needed, and this is a set of public keys")
        check_use(jwk, "sign")
        key = load_private(jwk)
        half = {name: jwk[name] for name in jwk if name not in PRIVATE_MEMBERS and name != "key_ops"}
        return cls(key, PublicKey.from_jwk(half))

    @classmethod
    def _from_json(cls, data: bytes) -> SigningKey:
        try:
            jwk = strict_json.loads_object(data)
        except ValueError as error:
            raise InvalidKeyError(f"the JWK is not strict JSON: {error}") from None
        return cls.from_jwk(jwk)

    def sign(self, signing_input: bytes, /) -> bytes:
        """Return the raw JWS signature over `signing_input`."""
        return self._sign(signing_input)

    def to_pem(self, password: str | bytes | None = None) -> str:
        """Return the secret as PKCS #8 PEM, encrypted when a password is given.

        PEM holds the key alone: kid, algorithm label and validity are not in it.
        """
        return pem.dump_private(self._key, password)

    def save(self, path: str | os.PathLike[str], *, password: str | bytes | None = None) -> None:
        """Write the secret as PEM into a new file that only its owner can read.

        The file appears whole or not at all.

        Raises:
            FileExistsError: there is a file already; it is left as it was.
        """
        _write_new(Path(path), self.to_pem(password).encode("ascii"))

    def dangerously_to_jwk(self) -> dict[str, JSONValue]:
        """Return the private JWK: the secret, in the clear."""
        return {**self.public.to_jwk(), **private_members(self._key)}

    def __repr__(self) -> str:
        return f"SigningKey(alg={self.alg!r}, kid={self.kid!r})"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a signing key is neither copied nor pickled; share it, or load it again")

    __copy__ = __deepcopy__ = __getstate__ = __reduce__ = __reduce_ex__ = _refuse

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a signing key is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a signing key is immutable")


def _environ(name: str) -> str:
    if is_secret(name):
        raise InvalidKeyError("expected the name of an environment variable, got the text of a key")
    value = os.environ.get(name)
    if not value:
        raise InvalidKeyError(f"the environment variable {name} is not set, or empty")
    return value


def _write_new(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link refuses to take the place of a file that is there.
        os.link(draft, path)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, "a key file is never overwritten", os.fspath(path)) from None
    finally:
        draft.unlink()
