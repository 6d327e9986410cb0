"""Issuers: everything about one trusted sender in one immutable place."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from signedmsg import Issuer, JWKSet, SigningKey

KEYS = JWKSet(SigningKey.generate().public)


def test_issuer_needs_its_permissions() -> None:
    for options in ({}, {"keys": KEYS}):
        with pytest.raises(TypeError):
            Issuer("https://billing.example", **options)  # type: ignore[arg-type]


def test_one_str_as_permission_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(TypeError, match=r'write \["invoice\.\*"\]'):
        Issuer("https://billing.example", allow="invoice.*", keys=KEYS)


def test_one_str_as_algorithms_is_refused() -> None:
    with pytest.raises(TypeError, match="algorithms"):
        Issuer("https://billing.example", allow=["*"], keys=KEYS, algorithms="ES256")


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"issuer.*allow.*allow") as caught:
        Issuer("", allow=["a*", ""], keys=KEYS, algorithms=["HS256", "none"])
    assert "'HS256' is not known" in str(caught.value)
    assert "'none' is not known" in str(caught.value)


def test_empty_list_allows_nothing() -> None:
    assert Issuer("https://billing.example", allow=[], keys=KEYS).trust.allow == ()


@pytest.mark.parametrize(
    "keys", [1, b"keys.json", [KEYS], {"keys": []}, SigningKey.generate()], ids=lambda one: type(one).__name__
)
def test_what_is_no_source_is_a_type_error(keys: Any) -> None:
    with pytest.raises(TypeError, match="keys"):
        Issuer("https://billing.example", allow=["*"], keys=keys)


def test_empty_path_is_not_taken_for_the_current_folder() -> None:
    with pytest.raises(ValueError, match="empty"):
        Issuer("https://billing.example", allow=["*"], keys="")


@pytest.mark.parametrize("keys", ["keys.json", Path("keys.json")])
def test_path_may_be_text(keys: Any) -> None:
    assert Issuer("https://billing.example", allow=["*"], keys=keys).keys == Path("keys.json")


def test_issuer_cannot_be_changed() -> None:
    issuer = Issuer("https://billing.example", allow=["*"], keys=KEYS)
    for name in ("id", "keys", "trust"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(issuer, name, None)


@pytest.mark.parametrize("id", ["*", "https://*.example", "https://billing.example/*"])
def test_pattern_of_issuers_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        Issuer(id, allow=["*"], keys=JWKSet())
