"""Why no key fits a token: which kids there are, since when, and whose names come close."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signedmsg._core.explain_words import quoted, several, spell
from signedmsg.errors import SignedMessageError

if TYPE_CHECKING:
    from signedmsg._core.facts import Facts
    from signedmsg._core.health import KeySnapshot
    from signedmsg._jose.jwk import PublicKey


def explain_issuer(_: SignedMessageError, facts: Facts) -> str | None:
    """Say who it claims to be, and whether a trusted name comes close. A few look-ups in a map, no scan of it."""
    if facts.parsed is None:
        return None
    claimed = facts.parsed.issuer
    for near, what in _near(claimed):
        if near != claimed and _is_trusted(facts, near):
            return f"it says {quoted(claimed)}, and {quoted(near)} is trusted: {what}"
    return f"it says {quoted(claimed)}, and nobody of that name is configured"


def _near(claimed: str) -> tuple[tuple[str, str], ...]:
    other = claimed.replace("https://", "http://", 1) if claimed.startswith("https://") else f"https://{claimed}"
    if claimed.startswith("http://"):
        other = claimed.replace("http://", "https://", 1)
    return (
        (claimed.rstrip("/"), "they differ in the slash at the end"),
        (claimed + "/", "they differ in the slash at the end"),
        (claimed.lower(), "they differ in upper and lower case"),
        (other, "they differ in the scheme"),
    )


def _is_trusted(facts: Facts, issuer: str) -> bool:
    try:
        facts.knows.trusted(issuer)
    except SignedMessageError:
        return False
    return True


def explain_key(_: SignedMessageError, facts: Facts) -> str | None:
    """Say which kids are held, and since when."""
    snapshot = _snapshot(facts)
    if snapshot is None or facts.parsed is None:
        return None
    kid = facts.parsed.compact.header.kid
    when = "" if snapshot.age is None else f", read {spell(snapshot.age)} ago"
    held = several(quoted(key.kid) + _state(key, facts.now) for key in snapshot) or "none at all"
    near = next((key.kid for key in snapshot if key.kid.lower() == kid.lower()), None)
    case = "" if near is None else "; one differs from it in upper and lower case alone"
    return f"the token names {quoted(kid)}; held of this issuer{when}: {held}{case}"


def _state(key: PublicKey, now: float | None) -> str:
    """Return what a key's own times say; without a time to compare with, nothing."""
    if now is not None and key.expires is not None and now >= key.expires:
        return f" (ended {spell(now - key.expires)} ago)"
    if now is not None and key.not_before is not None and now < key.not_before:
        return f" (begins in {spell(key.not_before - now)})"
    return ""


def explain_key_times(_: SignedMessageError, facts: Facts) -> str | None:
    """Say when the key is valid, or that it was revoked."""
    snapshot = _snapshot(facts)
    if snapshot is None or facts.parsed is None:
        return None
    kid = facts.parsed.compact.header.kid
    if kid in snapshot.revoked:
        return f"the issuer's directory lists {quoted(kid)} as revoked, and that is for good: it must sign with another"
    key = snapshot.get(kid)
    state = "" if key is None else _state(key, facts.now)
    if not state:
        return None
    return f"{quoted(kid)}{state}: has the issuer changed its keys too late or too early, or is a clock wrong?"


def explain_signature(_: SignedMessageError, facts: Facts) -> str | None:
    """Say what is certain about the key."""
    snapshot = _snapshot(facts)
    if snapshot is None or facts.parsed is None:
        return None
    kid = facts.parsed.compact.header.kid
    key = snapshot.get(kid)
    if key is None:
        return None
    if key.thumbprint == kid:
        return (
            f"the kid {quoted(kid)} is the thumbprint of the key that is held, so the key is the right one: "
            "the token was altered after it was signed, or forged"
        )
    return (
        f"it was altered, or signed with another key than the one that is published as {quoted(kid)}: "
        "a kid that is no thumbprint can stand for one key today and for another tomorrow"
    )


def _snapshot(facts: Facts) -> KeySnapshot | None:
    return None if facts.parsed is None else facts.knows.known_keys(facts.parsed.issuer)
