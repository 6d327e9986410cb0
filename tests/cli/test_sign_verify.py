"""sign and verify: a message goes in at one end and comes out at the other, or a reason does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from signedmsg import Sender, SigningKey
from tests.cli.commands import AUDIENCE, ISSUER, call

if TYPE_CHECKING:
    from tests.cli.commands import CLI

DATA = {"number": 42, "customer": "José 山田 🌱", "lines": [{"sku": "a", "price": 1.5}, None, True]}


def test_signed_message_verifies_to_what_was_signed(cli: CLI) -> None:
    token = cli.sign(json.dumps(DATA), "--id", "message-1", "--subject", "invoice 42", "--account", "acme")
    said = cli.verify(token)
    assert said.code == 0
    wanted = {
        "id": "message-1",
        "type": "invoice.paid",
        "data": DATA,
        "subject": "invoice 42",
        "account": "acme",
        "issuer": ISSUER,
        "audience": AUDIENCE,
    }
    assert {name: said.json[name] for name in wanted} == wanted


def test_token_is_all_that_sign_prints(cli: CLI) -> None:
    said = cli("sign", *cli.signer, "--audience", AUDIENCE, "--type", "a", "--data-json", "1")
    assert (said.err, said.out.count("\n"), said.out.count(".")) == ("", 1, 2)


def test_data_comes_from_a_file_or_from_stdin(cli: CLI) -> None:
    data = json.dumps(DATA).encode()
    (cli.folder / "data.json").write_bytes(data)
    for name in ("data.json", "-"):
        words = ["--audience", AUDIENCE, "--type", "invoice.paid", "--data", name]
        done = call("sign", *cli.signer, *words, stdin=data)
        assert cli.verify(done.stdout.decode().strip()).json["data"] == DATA


def test_token_is_read_from_stdin(cli: CLI) -> None:
    done = call("verify", "--audience", AUDIENCE, *cli.trust, stdin=cli.sign().encode() + b"\n")
    assert json.loads(done.stdout)["data"] == {"number": 42}


def test_key_may_come_from_the_environment(cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_KEY", cli.key.read_text())
    words = ["--issuer", ISSUER, "--key-env", "BILLING_KEY", "--audience", AUDIENCE, "--type", "a", "--data-json", "1"]
    said = cli("sign", *words)
    assert cli.verify(said.out.strip()).json["data"] == 1


def test_secret_in_the_environment_is_in_no_error(cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_KEY", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXNlY3JldA==\n-----END PRIVATE KEY-----")
    words = ["--issuer", ISSUER, "--key-env", "BILLING_KEY", "--audience", AUDIENCE, "--type", "a", "--data-json", "1"]
    said = cli("sign", *words)
    assert said.code == 2
    assert "BILLING_KEY" in said.err
    assert "c2Vjcm" not in said.err


def test_lifetime_is_that_asked_for(cli: CLI) -> None:
    said = cli.verify(cli.sign("1", "--lifetime", "7"))
    assert said.json["expires_at"] - said.json["issued_at"] == 7


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data-json", "{"], "--data-json: not JSON"),
        (["--data-json", '{"a":1,"a":2}'], "duplicate member name 'a'"),
        (["--data-json", "NaN"], "not JSON"),
        (["--data-json", "[12345678901234567890]"], "data/0: an integer beyond"),
        (["--data", "nothing.json"], "--data nothing.json: No such file"),
        (["--data-json", "1", "--lifetime", "4000"], "lifetime: expected 1 to 300"),
        (["--data-json", "1", "--id", "two words"], "id: expected"),
        (["--data-json", "1", "--data", "x"], "not allowed with"),
        ([], "--data --data-json is required"),
    ],
)
def test_message_that_cannot_be_signed_is_one_line_and_exit_code_2(cli: CLI, words: list[str], says: str) -> None:
    said = cli("sign", *cli.signer, "--audience", AUDIENCE, "--type", "a", *words)
    assert (said.code, said.out) == (2, "")
    assert says in said.err.splitlines()[0]


def test_key_file_that_is_missing_says_how_to_make_one(cli: CLI) -> None:
    words = ["--issuer", ISSUER, "--key", "none.pem", "--audience", AUDIENCE, "--type", "a", "--data-json", "1"]
    said = cli("sign", *words)
    assert said.code == 2
    assert "none.pem" in said.err
    assert "signedmsg keygen --out none.pem" in said.err


def test_wrong_audience_is_refused_with_its_reason_and_a_hint(cli: CLI) -> None:
    said = cli.verify(cli.sign(), audience="https://shop.example/other")
    assert (said.code, said.out) == (1, "")
    assert "refused (audience): aud: expected 'https://shop.example/other'" in said.err
    assert "hint: " in said.err


def test_wrong_issuer_is_refused_with_its_reason_and_a_hint(cli: CLI) -> None:
    other = Sender("https://other.example", SigningKey.load(cli.key))
    said = cli.verify(other.sign(1, type="a", audience=AUDIENCE))
    assert (said.code, said.out) == (1, "")
    assert "refused (unknown_issuer)" in said.err
    assert "--issuer" in said.err


def test_type_that_is_not_allowed_is_refused(cli: CLI) -> None:
    assert cli.verify(cli.sign(), "--allow", "invoice.*").code == 0
    said = cli.verify(cli.sign(), "--allow", "order.*", "--allow", "customer.updated")
    assert said.code == 1
    assert "refused (not_allowed)" in said.err


def test_message_of_another_account_is_refused(cli: CLI) -> None:
    assert cli.verify(cli.sign("1", "--account", "acme"), "--account", "acme").code == 0
    assert cli.verify(cli.sign("1", "--account", "other"), "--account", "acme").code == 1


def test_expired_token_is_refused(cli: CLI) -> None:
    sender = Sender(ISSUER, SigningKey.load(cli.key), clock=lambda: time.time() - 3600)
    said = cli.verify(sender.sign(1, type="a", audience=AUDIENCE))
    assert said.code == 1
    assert "refused (expired): exp: the token ended" in said.err


@pytest.mark.parametrize("token", ["", "hello", "a.b.c", "\x1b[2J"])
def test_what_is_no_token_is_refused_and_not_echoed(cli: CLI, token: str) -> None:
    said = cli.verify(token)
    assert (said.code, said.out) == (1, "")
    assert "\x1b" not in said.err


def test_altered_token_is_refused(cli: CLI) -> None:
    header, payload, signature = cli.sign().split(".")
    said = cli.verify(f"{header}.{payload}.{signature[::-1][2:] + 'AQ'}")
    assert said.code == 1


def test_json_says_why_a_token_is_refused(cli: CLI) -> None:
    said = cli.verify(cli.sign(), "--json", audience="https://shop.example/other")
    assert said.code == 1
    assert (said.json["verified"], said.json["code"]) == (False, "audience")


def test_json_says_that_a_token_is_verified(cli: CLI) -> None:
    said = cli.verify(cli.sign(), "--json")
    assert (said.code, said.json["verified"], said.out.count("\n")) == (0, True, 1)


def test_without_a_replay_file_it_is_said_that_replays_are_not_recognised(cli: CLI) -> None:
    token = cli.sign()
    assert "without --replay nothing is remembered" in cli.verify(token).err
    assert cli.verify(token).code == 0


def test_with_a_replay_file_a_token_passes_once(cli: CLI) -> None:
    token = cli.sign()
    first = cli.verify(token, "--replay", cli.folder / "seen.db")
    second = cli.verify(token, "--replay", cli.folder / "seen.db")
    assert (first.code, second.code) == (0, 1)
    assert "is new" in first.err
    assert "refused (replayed)" in second.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--keys", "none.json", "--issuer", ISSUER], "--keys none.json: No such file"),
        (["--keys", "billing.pem", "--issuer", ISSUER], "this is a private key"),
        (["--keys", "keys.json", "--issuer", "https://other.example"], "the document is of another issuer"),
        (["--keys", "token.jwt", "--issuer", ISSUER], "not strict JSON"),
        (["--keys", "keys.json"], "expected --issuer and --keys"),
        (["--trust", "https://billing.example"], "--trust: expected ISS=PATH"),
        (["--keys", "keys.json", "--issuer", ISSUER, "--allow", "*.paid"], "allow: '*.paid': \"*\" stands"),
        (["--keys", "keys.json", "--issuer", ISSUER, "--replay", "keys.json"], "--replay keys.json"),
        (["--keys", "keys.json", "--issuer", ISSUER, "--replay", "nowhere/seen.db"], "--replay nowhere/seen.db"),
    ],
)
def test_wrong_configuration_is_one_line_and_exit_code_2(cli: CLI, words: list[str], says: str) -> None:
    (cli.folder / "token.jwt").write_text(cli.sign())
    said = cli("verify", "token.jwt", "--audience", AUDIENCE, *words)
    assert (said.code, said.out) == (2, "")
    problem = next(line for line in said.err.splitlines() if line.startswith("signedmsg: "))
    assert says in problem


def test_second_issuer_is_trusted_with_its_own_keys(cli: CLI) -> None:
    key = SigningKey.generate("Ed25519")
    (cli.folder / "store.json").write_text(json.dumps({"keys": [key.public.to_jwk()]}))
    token = Sender("https://store.example", key).sign(1, type="a", audience=AUDIENCE)
    assert cli.verify(token, "--trust", "https://store.example=store.json").code == 0
    assert cli.verify(token).code == 1


def test_folder_of_documents_serves_as_keys(cli: CLI) -> None:
    folder = cli.folder / "keys"
    folder.mkdir()
    cli.keys.rename(folder / "a.json")
    cli.keys = folder
    assert cli.verify(cli.sign()).code == 0


def test_token_on_the_command_line_is_refused_without_echoing_it(cli: CLI) -> None:
    token = cli.sign()
    said = cli("verify", token, "--audience", AUDIENCE, *cli.trust)
    assert said.code == 2
    assert "not from the command line" in said.err
    assert token[:20] not in said.err


def test_store_that_cannot_answer_is_undecided_and_exit_code_3(cli: CLI) -> None:
    token = cli.sign()
    database = cli.folder / "seen.db"
    assert cli.verify(token, "--replay", database).code == 0
    import sqlite3

    blocker = sqlite3.connect(database, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    said = cli.verify(cli.sign(), "--replay", database)
    blocker.close()
    assert (said.code, said.out) == (3, "")
    assert "undecided (store_unavailable)" in said.err
