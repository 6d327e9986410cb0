"""Patterns of calls in `Issuer(allow=[…])`: a method, a space, and a path or everything below one."""

from __future__ import annotations

import re
from typing import Final

from signedmsg._core.target import is_ambiguous, normal_path

# RFC 9110 §9.1: methods are case-sensitive, and all that are registered are in capital letters.
_METHOD: Final = re.compile(r"[A-Z][A-Z0-9!#$%&'+.^_`|~-]{0,31}")


def allows(pattern: str, method: str, path: str) -> bool:
    """Return whether a pattern such as `GET /v1/*` allows a method and a path in normal form."""
    verb, _, where = pattern.partition(" ")
    if verb not in (method, "*"):
        return False
    return where == path or (where.endswith("/*") and path.startswith(where[:-1]))


def problem_of_call_pattern(pattern: str) -> str | None:
    """Return what is wrong with a pattern that has a space, or None."""
    verb, _, where = pattern.partition(" ")
    if verb != "*" and not _METHOD.fullmatch(verb):
        return f'allow: {pattern!r}: expected a method in capital letters, or "*", before the space'
    stem = where[:-1] if where.endswith("/*") else where
    try:
        normal = normal_path(stem)
    except ValueError:
        return f"allow: {pattern!r}: expected a percent-encoded path after the space, without query"
    # A path that no call can have, or an ambiguous one, would be a pattern that silently never matches.
    if normal != stem or is_ambiguous(stem) or "*" in stem:
        return f'allow: {pattern!r}: "*" stands only after the last slash, escapes in capital letters, no dot segments'
    return None
