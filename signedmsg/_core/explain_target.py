"""In what two paths or two queries differ, and what on the way usually does that."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from signedmsg._core.explain_words import quoted, several
from signedmsg._core.target import DecodedTarget, RawTarget, decoded, normal_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.call_policy import CallPolicy

# In this form the two are the same: then that is all in which they differ.
_ALIKE: Final[tuple[tuple[Callable[[str], str], str], ...]] = (
    (lambda path: path.rstrip("/"), "they differ in the slash at the end; a proxy or a framework adds or removes it"),
    (lambda path: re.sub("/{2,}", "/", path), "a slash was doubled, or two were made one, on the way"),
    (unquote, "something on the way decoded it or encoded it anew; have the proxy pass the path on as it came"),
    (lambda path: unquote(unquote(path)), "it was percent-encoded twice, or decoded once too often"),
    (str.lower, "they differ in upper and lower case"),
)


def explain_path(target: RawTarget | DecodedTarget, htu: str, policy: CallPolicy) -> str | None:
    """Say in what the URL that was signed differs from the one that arrived, as this receiver sees it."""
    try:
        url = normal_url(htu)
    except ValueError:
        return "the caller did not sign an http(s) URL"
    if not url.startswith(f"{policy.origin}/"):
        return _explain_origin(url, policy)
    signed = url[len(policy.origin) :]
    seen = _seen(target)
    says = f"{quoted(signed)} was signed, and {quoted(policy.prefix + seen)} arrived"
    return f"{says}: {_what_differs(signed, seen, policy)}" if signed != policy.prefix + seen else None


def _explain_origin(url: str, policy: CallPolicy) -> str:
    origin = "/".join(url.split("/", 3)[:3])
    return (
        f"it was signed for {quoted(origin)}, and this receiver is reached as {quoted(policy.origin)}: if callers "
        "rightly use the former, that is its external_url"
    )


def _seen(target: RawTarget | DecodedTarget) -> str:
    return target.path.decode("latin-1") if isinstance(target, DecodedTarget) else target.path


def _what_differs(signed: str, seen: str, policy: CallPolicy) -> str:
    here = policy.prefix + seen
    # What a server decoded can only be compared with what was signed decoded.
    plain = decoded(signed).decode("latin-1")
    for one in dict.fromkeys((signed, plain)):
        if found := _shifted(one, seen, policy):
            return found
    for alike, what in _ALIKE:
        if alike(here) == alike(signed):
            return what
    return "was the request sent to another route, or rewritten by a proxy?"


def _shifted(signed: str, seen: str, policy: CallPolicy) -> str | None:
    """Say which prefix was taken off or put before the path."""
    if policy.prefix and signed == seen:
        return f"the caller did not use the prefix {quoted(policy.prefix)} of external_url"
    if len(signed) > len(seen) and signed.endswith(seen):
        prefix = signed[: len(signed) - len(seen)]
        return f"a proxy takes {quoted(prefix)} off: external_url={quoted(policy.origin + prefix)} says so"
    if len(seen) > len(signed) and seen.endswith(signed):
        prefix = seen[: len(seen) - len(signed)]
        return f"a proxy or a mount puts {quoted(prefix)} before it; pass on the path that the caller used"
    return None


def explain_query(signed: str | None, seen: str) -> str | None:
    """Say in what two queries differ. Names of parameters are told, values never."""
    if signed is None:
        return f"none was signed, and one arrived, with {_names(seen)}: it was added after the signature"
    signed = signed.removeprefix("?")
    if not seen:
        return f"it got lost on the way; it had {_names(signed)}"
    before, after = _pairs(signed), _pairs(seen)
    if before == after:
        return "the parameters are the same, but something wrote them anew, encoded in another way (+ or %20, say)"
    if sorted(before) == sorted(after):
        return "the parameters are the same in another order: something on the way sorts them or writes them anew"
    return _explain_parameters(Counter(before), Counter(after))


def _explain_parameters(before: Counter[tuple[str, str]], after: Counter[tuple[str, str]]) -> str:
    lost, added = before - after, after - before
    names = {name for name, _ in lost} & {name for name, _ in added}
    parts = (
        ("another value", names),
        ("lost", {name for name, _ in lost} - names),
        ("added", {name for name, _ in added} - names),
    )
    said = (f"{what}: {several(quoted(name) for name in sorted(found))}" for what, found in parts if found)
    return "parameters with " + "; ".join(said) if names else "parameters " + "; ".join(said)


def _names(query: str) -> str:
    names = dict.fromkeys(name for name, _ in _pairs(query))
    return several(quoted(name) for name in names) or "no parameters"


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=10_000, errors="replace")
    except ValueError:
        return []
