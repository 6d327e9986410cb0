"""Exemptions: what is too long to be any call's target is not looked at, and not let in."""

from __future__ import annotations

import pytest

from signedmsg._core.target import MAX_TARGET
from signedmsg._doors import Exempt

EXEMPT = Exempt(["GET /public/*"])


def covers(path: str, query: str = "") -> bool:
    return EXEMPT.covers("GET", path, (path + query).encode("ascii"), [])


@pytest.mark.parametrize("query", ["", "?q=1"])
def test_target_longer_than_any_that_could_be_signed_is_not_exempt(query: str) -> None:
    path = "/public/".ljust(MAX_TARGET - len(query), "a")
    assert covers(path, query)
    assert not covers(path + "a", query)
