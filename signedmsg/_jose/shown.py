"""What an error may show of a value that a caller passed: enough to recognise it, never a secret put in its place."""

from __future__ import annotations

from typing import Final

_MAX: Final = 200


def shown(value: object) -> str:
    """Return the `repr` of a short, printable text or a number, and of anything else only its type.

    A key passed where a path or a name belongs is the commonest way for it to get into a log:
    `SigningKey.load(os.environ["KEY"])`.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str) and len(value) <= _MAX and not is_secret(value):
        return repr(value)
    return type(value).__name__


def is_secret(text: str) -> bool:
    """Say whether a text looks like a key itself: a PEM, a JWK, or anything of several lines."""
    return "\n" in text or "-----BEGIN" in text or text.lstrip().startswith("{")
