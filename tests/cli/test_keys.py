"""keygen and jwks: a private key stays private, and its public half can be read by receivers."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from signedmsg import JWKSet, SigningKey
from signedmsg._jose.algorithms import ALGORITHMS
from tests.cli.commands import ISSUER

if TYPE_CHECKING:
    from tests.cli.commands import CLI


def secrets_of(pem: str) -> list[str]:
    return [line for line in pem.splitlines() if line and "-----" not in line]


def test_new_key_signs_and_its_kid_is_printed(cli: CLI) -> None:
    said = cli("keygen", "--out", "new.pem")
    key = SigningKey.load("new.pem")
    assert (said.code, key.alg) == (0, "ES256")
    assert said.out.splitlines()[0].split() == ["kid", key.kid]
    assert json.loads(said.out.splitlines()[1].split(None, 2)[2]) == key.public.to_jwk()


def test_new_key_file_is_readable_by_its_owner_alone(cli: CLI) -> None:
    cli("keygen", "--out", "new.pem")
    assert stat.S_IMODE((cli.folder / "new.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_new_private_key_is_never_printed(cli: CLI, more: list[str]) -> None:
    said = cli("keygen", "--out", "new.pem", *more)
    lines = secrets_of((cli.folder / "new.pem").read_text())
    assert lines
    assert [line for line in lines if line in said.out + said.err] == []
    assert "PRIVATE" not in said.out + said.err
    assert '"d"' not in said.out + said.err


def test_key_file_that_is_there_is_never_overwritten(cli: CLI) -> None:
    before = cli.key.read_bytes()
    said = cli("keygen", "--out", cli.key)
    assert said.code == 2
    assert "never overwritten" in said.err
    assert cli.key.read_bytes() == before


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "EdDSA", "PS256", "ML-DSA-44"])
def test_key_of_an_algorithm_signs_for_that_algorithm(cli: CLI, alg: str) -> None:
    assert cli("keygen", "--alg", alg, "--out", "new.pem").code == 0
    assert SigningKey.load("new.pem", alg=alg).alg == alg


def test_algorithm_that_the_file_cannot_say_is_told(cli: CLI) -> None:
    assert "--alg PS256" in cli("keygen", "--alg", "PS256", "--out", "new.pem").err


def test_password_from_the_environment_encrypts_the_key(cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_PASSWORD", "correct horse")
    said = cli("keygen", "--out", "new.pem", "--password-env", "KEY_PASSWORD")
    assert said.code == 0
    assert "ENCRYPTED" in (cli.folder / "new.pem").read_text()
    assert "correct horse" not in said.out + said.err
    assert cli("jwks", "new.pem", "--password-env", "KEY_PASSWORD").code == 0


def test_encrypted_key_without_its_password_says_how_to_give_it(cli: CLI) -> None:
    SigningKey.generate().save("locked.pem", password="correct horse")
    said = cli("jwks", "locked.pem")
    assert said.code == 2
    assert "--password-env" in said.err


def test_password_variable_that_is_not_set_is_named(cli: CLI) -> None:
    said = cli("keygen", "--out", "new.pem", "--password-env", "NO_SUCH_VARIABLE")
    assert said.code == 2
    assert "NO_SUCH_VARIABLE" in said.err
    assert not (cli.folder / "new.pem").exists()


def test_folder_that_is_not_there_is_an_error_of_one_line(cli: CLI) -> None:
    said = cli("keygen", "--out", "nowhere/new.pem")
    assert said.code == 2
    assert said.err == "signedmsg: --out nowhere/new.pem: No such file or directory\n"


def test_directory_document_holds_the_public_half_alone(cli: CLI) -> None:
    said = cli("jwks", cli.key, "--issuer", ISSUER, "--sequence", "3")
    assert said.code == 0
    assert (said.json["issuer"], said.json["sequence"]) == (ISSUER, 3)
    assert [key.kid for key in JWKSet.from_json(said.out)] == [cli.kid]
    assert "d" not in said.json["keys"][0]


@pytest.mark.parametrize("form", ["private PEM", "public PEM", "private JWK", "public JWK"])
def test_directory_document_takes_every_form_of_a_key(cli: CLI, form: str) -> None:
    key = SigningKey.load(cli.key)
    written = {
        "private PEM": key.to_pem(),
        "public PEM": key.public.to_pem(),
        "private JWK": json.dumps(key.dangerously_to_jwk()),
        "public JWK": json.dumps(key.public.to_jwk()),
    }[form]
    file = cli.folder / "one"
    file.write_text(written)
    file.chmod(0o600)
    said = cli("jwks", file)
    assert (said.code, said.err) == (0, "")
    assert said.json["keys"] == [key.public.to_jwk()]


def test_directory_document_is_replaced_whole_and_leaves_no_draft(cli: CLI) -> None:
    SigningKey.generate("Ed25519").save("new.pem")
    before = set(cli.folder.iterdir())
    said = cli("jwks", cli.key, "new.pem", "--issuer", ISSUER, "--out", cli.keys)
    assert (said.code, said.out) == (0, "")
    assert len(JWKSet.from_json(cli.keys.read_text())) == 2
    assert set(cli.folder.iterdir()) == before
    assert stat.S_IMODE(cli.keys.stat().st_mode) == 0o644


@pytest.mark.parametrize("more", [[], ["--sequence", "4"], ["--sequence", "5"]])
def test_directory_document_whose_sequence_is_not_higher_is_not_written(cli: CLI, more: list[str]) -> None:
    cli("jwks", cli.key, "--issuer", ISSUER, "--sequence", "5", "--out", "published.json")
    before = (cli.folder / "published.json").read_bytes()
    said = cli("jwks", cli.key, "--issuer", ISSUER, *more, "--out", "published.json")
    assert said.code == 2
    assert "--sequence 6" in said.err
    assert (cli.folder / "published.json").read_bytes() == before


def test_revoked_kid_stands_in_the_document(cli: CLI) -> None:
    said = cli("jwks", cli.key, "--revoke", "old-kid")
    assert [one["kid"] for one in said.json["revoked"]] == ["old-kid"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing.pem"], "No such file"),
        (["token.txt"], "not a public key"),
        (["billing.pem", "billing.pem"], "stands for two keys"),
        (["billing.pem", "--issuer", "two words"], "issuer: expected"),
        (["billing.pem", "--revoke", "a kid"], "revoked: each entry"),
        (["billing.pem", "--out", "nowhere/keys.json"], "No such file"),
        (["billing.pem", "--key-env", "X"], "unrecognized arguments"),
    ],
)
def test_directory_document_that_cannot_be_made_is_one_line_and_exit_code_2(
    cli: CLI, words: list[str], says: str
) -> None:
    (cli.folder / "token.txt").write_text("hello")
    said = cli("jwks", *words)
    assert (said.code, said.out) == (2, "")
    assert says in said.err.splitlines()[0]


def test_key_file_that_others_can_read_is_pointed_out(cli: CLI) -> None:
    cli.key.chmod(0o644)
    said = cli("jwks", cli.key)
    assert said.code == 0
    assert said.err.startswith("signedmsg: warning: ")
    assert "chmod 600" in said.err


def test_algorithms_of_the_help_are_those_there_are(cli: CLI) -> None:
    assert ", ".join(ALGORITHMS) in " ".join(cli("keygen", "--help").out.split())


def test_document_of_public_keys_in_the_place_of_a_key_is_called_one(cli: CLI) -> None:
    cli("jwks", cli.key, "--issuer", ISSUER, "--out", "keys.json")
    said = cli("jwks", "keys.json", "--issuer", ISSUER)
    assert (said.code, "keys.json: this is a document of public keys" in said.err) == (2, True)


def test_jwk_that_is_none_is_refused_by_its_name(cli: CLI) -> None:
    (cli.folder / "odd.json").write_text('{"kty": "oct"}')
    said = cli("jwks", "odd.json", "--issuer", ISSUER)
    assert (said.code, "odd.json: kty" in said.err) == (2, True)
