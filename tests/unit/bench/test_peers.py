"""What the benchmark measures does its work: each verifier accepts once, and refuses what it must."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from signedmsg import VerificationError
from tests.bench import floors, groups, messages, ours, payloads, refusals
from tests.bench.__main__ import main
from tests.bench.measure import Method
from tests.bench.peers import MODULES, rules
from tests.bench.peers.rules import Keys, new_claims

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.peers.rules import Peer

QUICK = Method(rounds=1, slice=1)
TOKENS = ("pyjwt", "jose_rfc", "jw_crypto")


def peers_of(name: str) -> tuple[Peer, ...]:
    """The peers of a module; those of the `bench` extra may be missing."""
    try:
        peers: tuple[Peer, ...] = importlib.import_module(f"tests.bench.peers.{name}").PEERS
    except ModuleNotFoundError:
        return ()
    return peers


ALL = [each for name in MODULES for each in peers_of(name)]
OF_JWT = [each for name in TOKENS for each in peers_of(name)]


def mint(keys: Keys, *, typ: str = rules.TYP, alg: str = "ES256", **changed: Any) -> str:
    """A token as PyJWT writes it, with other claims; None leaves one out."""
    claims = {name: value for name, value in {**new_claims({}), **changed}.items() if value is not None}
    return jwt.encode(claims, keys.private if alg == "ES256" else "x" * 64, alg, {"kid": keys.kid, "typ": typ})


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://stranger.example"},
    "another audience": {"aud": "https://other.example/inbox"},
    "over": {"iat": 1_700_000_000, "exp": 1_700_000_060},
    "not yet issued": {"iat": 2**33, "exp": 2**33 + 60},
    "too long a life": {"exp": 2**40},
    "no id": {"jti": None},
    "no end": {"exp": None},
    "another kind": {"typ": "JWT"},
    "another algorithm": {"alg": "HS512"},
    "data that does not fit": {"data": {"order": 1}},
}


@pytest.mark.parametrize("alg", messages.ALGORITHMS)
@pytest.mark.parametrize("peer", ALL, ids=lambda each: each.name)
def test_peer_accepts_its_message_once_and_returns_the_payload(peer: Peer, alg: str) -> None:
    if alg not in peer.algorithms:
        assert peer.name == "atlassian-jwt-auth"
        return
    keys, data = Keys(alg), payloads.order(2000)
    token, verify = peer.signer(keys)(data), peer.verifier(keys, payloads.Order)
    assert verify(token) == payloads.Order.model_validate(data)
    with pytest.raises(Exception, match=r"replay|already"):
        verify(token)


@pytest.mark.parametrize("peer", OF_JWT, ids=lambda each: each.name)
@pytest.mark.parametrize("wrong", WRONG)
def test_peer_refuses_what_its_own_and_the_added_checks_are_for(peer: Peer, wrong: str) -> None:
    keys = Keys("ES256")
    verify = peer.verifier(keys, payloads.Order)
    verify(mint(keys, data=payloads.order(200)))
    with pytest.raises(Exception):  # noqa: B017, PT011 - each library has its own
        verify(mint(keys, **{"data": payloads.order(200), **WRONG[wrong]}))


@pytest.mark.parametrize("payload", ["200 B", "2 KB", "64 KB", "1 MB"])
def test_payload_has_exactly_its_size_and_fits_its_model(payload: str) -> None:
    data = payloads.order(payloads.SIZES[payload])
    assert payloads.size_of(data) == payloads.SIZES[payload]
    assert payloads.Order.model_validate(data).model_dump() == data


def test_lines_of_a_file_take_the_place_of_those_made(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps({"number": number}) + "\n" for number in range(200)))
    taken = payloads.lines(str(file))
    assert [each["number"] for each in taken[:3]] == [0, 3, 6]
    assert len(taken) == 64


@pytest.mark.parametrize("alg", messages.ALGORITHMS)
def test_floor_checks_the_very_signature_of_our_token(alg: str) -> None:
    keys = Keys(alg)
    taken = floors.take(ours.signer(keys)(payloads.order(200)), alg)
    check = floors.verifying(keys, None)[floors.RAW]
    check(taken)
    with pytest.raises(Exception, match=r"^$"):
        check(taken._replace(signing_input=taken.signing_input + b"."))


def test_claims_in_another_order_are_accepted() -> None:
    keys = Keys("ES256")
    receiver, sign = ours.receiver(keys), ours.in_other_order(keys, ours.signer(keys))
    assert receiver.verify(sign(payloads.order(200))).data == payloads.order(200)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unknown issuer", "unknown_issuer"),
        ("unknown kid", "unknown_key"),
        ("unknown alg", "unsupported"),
        ("alg not of the key", "unsupported"),
        (refusals.ISSUER_LAST, "unknown_issuer"),
        (refusals.FORGED, "invalid_signature"),
    ],
)
def test_token_is_refused_for_what_it_is_measured_for(kind: str, code: str) -> None:
    keys, strange = Keys("ES256"), Keys("ES256")
    refused = refusals.tokens(ours.signer(keys)(payloads.order(200)), keys, strange)[kind]
    with pytest.raises(VerificationError) as caught:
        ours.receiver(keys).verify(refused)
    assert caught.value.code == code


@pytest.mark.parametrize("work", messages.WORK)
def test_a_case_has_ours_the_floors_and_every_peer_that_is_here(work: str) -> None:
    figures = messages.figures_of(f"{work} ES256 2 KB", ALL, QUICK)
    assert {floors.RAW, ours.NAME, *(each.name for each in ALL if each.name != "PyJWT, key given")} <= figures.keys()
    assert min(each.best for each in figures.values()) > 0


def test_every_group_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert [name for name in (*groups.OWN, "stores", "doors_async") if f"\n{name} " not in "\n" + listed] == []


def test_an_unknown_group_is_an_error() -> None:
    with pytest.raises(SystemExit, match="no such group: nothing"):
        main(["nothing"])
