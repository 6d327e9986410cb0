"""`signedmsg receipt verify`: a kept receipt, verified again with nothing but files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import SigningKey
from signedmsg._core.answer_token import reference_to
from signedmsg.signed_answers import AnswerSigner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.commands import CLI, Said

SHOP = "https://shop.example"
KEY = SigningKey.generate()
YEARS_AGO = 1_600_000_000


def written(
    cli: CLI, outcome: Any = "accepted", key: SigningKey = KEY, issuer: str = SHOP, when: float = YEARS_AGO
) -> None:
    """Write the request, its receipt and the receiver's keys into the folder."""
    request = cli.sign('{"number":42}', "--id", "m-1")
    (cli.folder / "request.jwt").write_text(request + "\n", "utf-8")
    receipt = AnswerSigner(issuer, key, clock=lambda: when).sign_receipt(reference_to(request), outcome)
    (cli.folder / "receipt.jwt").write_text(receipt + "\n", "utf-8")
    write_keys(cli)


def write_keys(cli: CLI, **members: object) -> None:
    document: Mapping[str, object] = {"issuer": SHOP, "keys": [{**KEY.public.to_jwk(), **members}]}
    (cli.folder / "shop.json").write_text(json.dumps(document), "utf-8")


def verify(cli: CLI, *more: str) -> Said:
    return cli("receipt", "verify", "receipt.jwt", "--keys", "shop.json", *more)


def test_receipt_is_verified_years_later(cli: CLI) -> None:
    written(cli)
    said = verify(cli, "--request", "request.jwt")
    assert said.code == 0, said.err
    assert (said.json["outcome"], said.json["message_id"], said.json["issuer"]) == ("accepted", "m-1", SHOP)
    assert said.json["issued_at"] == YEARS_AGO
    assert said.json["request_compared"] is True
    assert "judged as of 2020-09-13 12:26:40 UTC" in said.err
    assert "has expired since" in said.err


def test_receipt_without_its_request_shows_what_it_answers(cli: CLI) -> None:
    written(cli)
    said = verify(cli, "--json")
    request = reference_to((cli.folder / "request.jwt").read_text("utf-8").strip())
    assert (said.json["verified"], said.json["request_compared"]) == (True, False)
    assert (said.json["request_jti"], said.json["request_s256"]) == (request.jti, request.s256)
    assert "nothing was compared" in said.err


def test_receipt_of_another_request_is_refused(cli: CLI) -> None:
    written(cli)
    (cli.folder / "request.jwt").write_text(cli.sign('{"number":43}', "--id", "m-1"), "utf-8")
    said = verify(cli, "--request", "request.jwt")
    assert said.code == 1
    assert "another request" in said.err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"key": SigningKey.generate()}, "unknown_key"),
        ({"issuer": "https://bank.example"}, "unknown_issuer"),
        ({"when": 4_000_000_000}, "not_yet_valid"),
    ],
    ids=["another key", "another issuer", "the future"],
)
def test_receipt_that_the_receiver_did_not_sign_is_refused(cli: CLI, options: Any, code: str) -> None:
    written(cli, **options)
    said = verify(cli, "--request", "request.jwt", "--json")
    assert (said.code, said.json["verified"], said.json["code"]) == (1, False, code)


def test_receipt_that_was_altered_is_refused(cli: CLI) -> None:
    written(cli, "rejected")
    file = cli.folder / "receipt.jwt"
    head, _, signature = file.read_text("utf-8").strip().rpartition(".")
    file.write_text(f"{head}.{signature[:20]}{'A' if signature[20] != 'A' else 'B'}{signature[21:]}", "utf-8")
    said = verify(cli, "--json")
    assert (said.code, said.json["code"]) == (1, "invalid_signature")


@pytest.mark.parametrize(("exp", "code"), [(YEARS_AGO + 3600, 0), (YEARS_AGO - 3600, 1)])
def test_key_must_have_been_valid_when_it_signed(cli: CLI, exp: int, code: int) -> None:
    written(cli)
    write_keys(cli, exp=exp)
    assert verify(cli).code == code


def test_key_that_was_revoked_since_proves_nothing(cli: CLI) -> None:
    written(cli)
    document = {
        "issuer": SHOP,
        "keys": [KEY.public.to_jwk()],
        "revoked": [{"kid": KEY.kid, "revoked_at": YEARS_AGO + 10**6, "reason": "compromised"}],
    }
    (cli.folder / "shop.json").write_text(json.dumps(document), "utf-8")
    said = verify(cli, "--json")
    assert (said.code, said.json["verified"]) == (1, False)


def test_request_token_is_no_receipt(cli: CLI) -> None:
    written(cli)
    said = cli("receipt", "verify", "request.jwt", "--keys", cli.keys)
    assert said.code == 1
    assert "typ: expected" in said.err


def test_keys_that_do_not_say_whose_they_are_need_an_issuer(cli: CLI) -> None:
    written(cli)
    (cli.folder / "shop.json").write_text(json.dumps({"keys": [KEY.public.to_jwk()]}), "utf-8")
    said = verify(cli)
    assert (said.code, "whose keys they are" in said.err) == (2, True)
    assert verify(cli, "--issuer", SHOP).code == 0


def test_receipt_on_the_command_line_is_refused_as_tokens_are(cli: CLI) -> None:
    written(cli)
    said = cli("receipt", "verify", (cli.folder / "receipt.jwt").read_text("utf-8").strip(), "--keys", "shop.json")
    assert said.code == 2


def test_request_that_is_no_token_is_said_so(cli: CLI) -> None:
    written(cli)
    (cli.folder / "request.jwt").write_text("nonsense", "utf-8")
    said = verify(cli, "--request", "request.jwt")
    assert (said.code, "--request request.jwt" in said.err) == (2, True)
