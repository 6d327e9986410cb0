"""Who signs: the checks on a key, a key ring or a KMS client, and how each is asked, blocking and async."""

from __future__ import annotations

import inspect
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from signedmsg._core.clock import check_clock, read_clock
from signedmsg._core.policy import SendPolicy, check
from signedmsg._ids import new_jti
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg._jose.jwk import KID
from signedmsg.errors import KeyRingError, SigningError
from signedmsg.keys.ring import KeyRing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from signedmsg._flows.ports import AsyncSigner, Signer

# r‖s of each curve, RFC 7518 §3.4 and RFC 8032; other algorithms are checked by the receiver.
_SIGNATURE_SIZES: Final = {"ES256": 64, "ES384": 96, "ES512": 132, "Ed25519": 64, "EdDSA": 64}


def check_signer(key: object, policy: SendPolicy, *further: str | None) -> None:
    """Refuse what cannot sign under this policy, and whatever else is wrong, all at once.

    Args:
        key: a signer of either colour.
        policy: what it is to sign as.
        further: problems of the rest of a configuration, or None.

    Raises:
        TypeError: it is no signer at all.
        ValueError: it names every problem.
    """
    check((_problem_of_signer(key), _problem_of_ring(key, policy), *further))


def suspends(key: Signer | AsyncSigner) -> bool:
    """Return whether its `sign` must be awaited."""
    return inspect.iscoroutinefunction(key.sign)


def never_blocks(key: Signer | AsyncSigner) -> bool:
    """Return whether an event loop can wait for it: it suspends, or says that it never waits."""
    return suspends(key) or getattr(key, "waits", None) == "never"


def shown_signer(key: Signer | AsyncSigner) -> str:
    """Return what a representation may show of it."""
    # A ring may have no key that signs now.
    return repr(key) if isinstance(key, KeyRing) else f"{key.alg} {key.kid}"


def signing_time(clock: Callable[[], float]) -> float:
    """Return the time that a signer's clock says.

    Raises:
        SigningError: it says none.
    """
    now = read_clock(clock)
    if now is None:
        raise SigningError("the clock does not say what time it is")
    return now


def _problem_of_ring(key: object, policy: SendPolicy) -> str | None:
    if not isinstance(key, KeyRing):
        return None
    if key.issuer != policy.issuer:
        return f"key: the ring is that of {key.issuer}"
    # It would remove a retired key while such tokens are on their way.
    if policy.lifetime > key.max_lifetime:
        return f"lifetime: the ring waits for tokens of at most {key.max_lifetime} seconds, see its max_lifetime"
    return None


def _problem_of_signer(key: object) -> str | None:
    if isinstance(key, KeyRing):
        return None
    alg, kid = getattr(key, "alg", None), getattr(key, "kid", None)
    if isinstance(key, type) or not callable(getattr(key, "sign", None)):
        hint = "; a key is read from its file by SigningKey.load(path)" if _is_path(key) else ""
        raise TypeError(f"key: expected a SigningKey or another signer, got {type(key).__name__}{hint}")
    if alg not in ALGORITHMS:
        if not hasattr(key, "alg"):
            return f"key: a {type(key).__name__} has no alg; load it as a SigningKey, or wrap it in a signer"
        return f"key: its algorithm {alg!r} is not one of {', '.join(ALGORITHMS)}"
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        return "key: its kid is not 1 to 128 characters of [A-Za-z0-9._~:+=@/-]"
    return None


def _is_path(value: object) -> bool:
    return isinstance(value, str | bytes | PathLike)


class _SignerPorts:
    def __init__(self, key: Signer | AsyncSigner, clock: Callable[[], float]) -> None:
        check_clock(clock)
        self._key = key
        self._clock = clock
        self.new_jti = new_jti

    def now(self) -> float:
        return signing_time(self._clock)

    def signer(self) -> Signer | AsyncSigner:
        if not isinstance(self._key, KeyRing):
            return self._key
        try:
            return self._key.current()
        except KeyRingError as error:
            raise SigningError(str(error), hint=error.hint) from error

    def _checked(self, alg: str, signature: object) -> bytes:
        """Refuse what a receiver would refuse: ECDSA signatures of a KMS often come as DER."""
        if not isinstance(signature, bytes) or not signature:
            raise SigningError(f"the signer returned {type(signature).__name__}, not a signature")
        size = _SIGNATURE_SIZES.get(alg)
        if size is not None and len(signature) != size:
            raise SigningError(
                f"the signer returned {len(signature)} bytes; {alg} has {size}",
                hint="a JWS holds r‖s (RFC 7518 §3.4); convert a DER signature first",
            )
        return signature


class BlockingSignerPorts(_SignerPorts):
    """The signing ports of a blocking face: the signer answers while it is called."""

    def sign(self, signer: Signer | AsyncSigner, signing_input: bytes) -> bytes:
        try:
            signature = signer.sign(signing_input)
        except Exception as error:
            raise SigningError(f"the signer failed: {type(error).__name__}") from error
        return self._checked(signer.alg, signature)


class AsyncSignerPorts(_SignerPorts):
    """The signing ports of an async face: a signer that does I/O is awaited."""

    def sign(self, signer: Signer | AsyncSigner, signing_input: bytes) -> bytes | Coroutine[Any, Any, bytes]:
        try:
            signature = signer.sign(signing_input)
        except Exception as error:
            raise SigningError(f"the signer failed: {type(error).__name__}") from error
        if isinstance(signature, bytes):
            return self._checked(signer.alg, signature)
        return self._awaited(signer.alg, signature)

    async def _awaited(self, alg: str, signature: Awaitable[bytes]) -> bytes:
        try:
            signed = await signature
        except Exception as error:
            raise SigningError(f"the signer failed: {type(error).__name__}") from error
        return self._checked(alg, signed)
