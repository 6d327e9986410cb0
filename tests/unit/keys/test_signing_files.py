"""Signing keys in files and in the environment."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import traceback
import typing

import pytest

from signedmsg.errors import InvalidKeyError
from signedmsg.keys.signing import SigningKey
from tests.unit.jose.samples import private_jwk, rsa_pem, signing_key

if typing.TYPE_CHECKING:
    from pathlib import Path

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="file modes are a POSIX matter")


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [signing_key("ES256").to_pem(), json.dumps(private_jwk("ES256"))], ids=["PEM", "JWK"])
def test_a_file_may_be_pem_or_jwk(tmp_path: Path, text: str) -> None:
    assert SigningKey.load(write(tmp_path / "key", "\n" + text)).public == signing_key("ES256").public


def test_a_file_may_be_named_by_text(tmp_path: Path) -> None:
    path = write(tmp_path / "key.pem", signing_key("ES256").to_pem())
    assert SigningKey.load(str(path)).public == signing_key("ES256").public


def test_an_encrypted_file_is_loaded_with_its_password(tmp_path: Path) -> None:
    path = write(tmp_path / "key.pem", signing_key("ES256").to_pem("secret"))
    assert SigningKey.load(path, password="secret").public == signing_key("ES256").public


def test_an_rsa_file_is_loaded_with_its_algorithm(tmp_path: Path) -> None:
    path = write(tmp_path / "key.pem", rsa_pem())
    assert SigningKey.load(path, alg="PS256").public == signing_key("PS256").public


@pytest.mark.parametrize(
    ("text", "password", "alg", "reason"),
    [
        ("junk", None, None, "not a private key"),
        ("", None, None, "not a private key"),
        ("{}", None, None, "kty"),
        ("x" * 70_000, None, None, "larger"),
        (json.dumps(private_jwk("ES256")), "secret", None, "not encrypted"),
        (json.dumps(private_jwk("ES256")), None, "ES384", "alg"),
        (signing_key("ES256").to_pem("secret"), None, None, "password is needed"),
        (signing_key("ES256").to_pem("secret"), "wrong-password", None, "password is wrong"),
        (signing_key("ES256").public.to_pem(), None, None, "not a private key"),
        (rsa_pem(), None, None, "RS256"),
    ],
    ids=range(10),
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, text: str, password: str | None, alg: str | None, reason: str
) -> None:
    path = write(tmp_path / "key.pem", text)
    with pytest.raises(InvalidKeyError, match=reason) as caught:
        SigningKey.load(path, password=password, alg=alg)
    assert "key.pem" in str(caught.value)
    assert "wrong-password" not in "".join(traceback.format_exception(caught.value))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError, match=r"missing\.pem.*cannot be read"):
        SigningKey.load(tmp_path / "missing.pem")


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError, match="cannot be read"):
        SigningKey.load(tmp_path)


@POSIX
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644], ids=oct)
def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key.pem", signing_key("ES256").to_pem(), mode)
    with pytest.warns(UserWarning, match="chmod 600"):
        assert SigningKey.load(path).public == signing_key("ES256").public


def test_a_saved_key_is_loaded_again_without_a_warning(tmp_path: Path) -> None:
    signing_key("ES256").save(tmp_path / "key.pem")
    assert SigningKey.load(tmp_path / "key.pem").public == signing_key("ES256").public


def test_a_key_saved_with_a_password_needs_it(tmp_path: Path) -> None:
    signing_key("ES256").save(tmp_path / "key.pem", password="secret")
    assert "ENCRYPTED" in (tmp_path / "key.pem").read_text()
    assert SigningKey.load(tmp_path / "key.pem", password="secret").public == signing_key("ES256").public


@POSIX
def test_only_the_owner_can_read_a_saved_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        signing_key("ES256").save(tmp_path / "key.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_saving_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("precious")
    with pytest.raises(FileExistsError, match=r"key\.pem"):
        signing_key("ES256").save(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_text() == "precious"


@POSIX
def test_saving_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        signing_key("ES256").save(tmp_path / "key.pem")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_saving_leaves_no_draft_behind(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "key.pem"
    if exists:
        path.write_text("precious")
        with pytest.raises(FileExistsError):
            signing_key("ES256").save(path)
    else:
        signing_key("ES256").save(path)
    assert [one.name for one in tmp_path.iterdir()] == ["key.pem"]


def test_of_many_that_save_at_once_one_wins(tmp_path: Path) -> None:
    keys = [SigningKey.generate() for _ in range(8)]
    saved: list[str] = []

    def save(key: SigningKey) -> None:
        try:
            key.save(tmp_path / "key.pem")
        except FileExistsError:
            return
        saved.append(key.kid)

    threads = [threading.Thread(target=save, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert saved == [SigningKey.load(tmp_path / "key.pem").kid]


@pytest.fixture
def environ() -> typing.Iterator[typing.Callable[..., None]]:
    """Set environment variables for the length of one test."""
    names: list[str] = []

    def set_them(**values: str) -> None:
        names.extend(values)
        os.environ.update(values)

    yield set_them
    for name in names:
        del os.environ[name]


@pytest.mark.parametrize(
    "text",
    [
        signing_key("ES256").to_pem(),
        signing_key("ES256").to_pem().replace("\n", "\\n"),
        json.dumps(private_jwk("ES256")),
        json.dumps(private_jwk("ES256"), indent=1),
    ],
    ids=["PEM", "PEM on one line", "JWK", "JWK on many lines"],
)
def test_a_key_is_read_from_the_environment(environ: typing.Callable[..., None], text: str) -> None:
    environ(SIGNEDMSG_TEST_KEY=text)
    assert SigningKey.from_env("SIGNEDMSG_TEST_KEY").public == signing_key("ES256").public


def test_an_encrypted_key_and_its_password_are_read_from_the_environment(environ: typing.Callable[..., None]) -> None:
    environ(SIGNEDMSG_TEST_KEY=signing_key("ES256").to_pem("secret"), SIGNEDMSG_TEST_PASSWORD="secret")
    key = SigningKey.from_env("SIGNEDMSG_TEST_KEY", password_env="SIGNEDMSG_TEST_PASSWORD")
    assert key.public == signing_key("ES256").public


def test_an_rsa_key_is_read_from_the_environment_with_its_algorithm(environ: typing.Callable[..., None]) -> None:
    environ(SIGNEDMSG_TEST_KEY=rsa_pem())
    assert SigningKey.from_env("SIGNEDMSG_TEST_KEY", alg="PS256").public == signing_key("PS256").public


@pytest.mark.parametrize("value", ["", None])
def test_a_missing_variable_is_named(environ: typing.Callable[..., None], value: str | None) -> None:
    if value is not None:
        environ(SIGNEDMSG_TEST_KEY=value)
    with pytest.raises(InvalidKeyError, match="SIGNEDMSG_TEST_KEY is not set"):
        SigningKey.from_env("SIGNEDMSG_TEST_KEY")


def test_a_missing_password_variable_is_named(environ: typing.Callable[..., None]) -> None:
    environ(SIGNEDMSG_TEST_KEY=signing_key("ES256").to_pem("secret"))
    with pytest.raises(InvalidKeyError, match="SIGNEDMSG_TEST_PASSWORD is not set"):
        SigningKey.from_env("SIGNEDMSG_TEST_KEY", password_env="SIGNEDMSG_TEST_PASSWORD")


def test_a_bad_variable_is_named_and_not_shown(environ: typing.Callable[..., None]) -> None:
    environ(SIGNEDMSG_TEST_KEY="super-secret-junk")
    with pytest.raises(InvalidKeyError, match="SIGNEDMSG_TEST_KEY: not a private key") as caught:
        SigningKey.from_env("SIGNEDMSG_TEST_KEY")
    assert "super-secret-junk" not in "".join(traceback.format_exception(caught.value))
