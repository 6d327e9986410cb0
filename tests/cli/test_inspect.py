"""inspect: shows what a token says, whoever minted it, and never lets anybody take that for the truth."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from signedmsg.cli.unverified import look_into, relative

if TYPE_CHECKING:
    from tests.cli.commands import CLI, Said


def encode(value: object) -> str:
    written = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(written).rstrip(b"=").decode()


def token(header: object, claims: object, signature: bytes = b"x") -> str:
    return f"{encode(header)}.{encode(claims)}.{encode(signature)}"


def inspect(cli: CLI, text: str, *more: str) -> Said:
    (cli.folder / "token.jwt").write_text(text, "utf-8")
    return cli("inspect", "token.jwt", *more)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_it_says_loudly_that_nothing_was_verified(cli: CLI, more: list[str]) -> None:
    said = inspect(cli, cli.sign(), *more)
    assert said.code == 0
    assert said.err.startswith("NOT VERIFIED")


def test_json_output_says_that_nothing_was_verified(cli: CLI) -> None:
    assert inspect(cli, cli.sign(), "--json").json["verified"] is False


def test_header_and_claims_are_shown(cli: CLI) -> None:
    said = inspect(cli, cli.sign('{"n":1}'), "--json")
    assert said.json["header"] == {"alg": "ES256", "kid": cli.kid, "typ": "vnd.signedmsg+jwt"}
    assert said.json["claims"]["msg"]["data"] == {"n": 1}
    assert (said.json["signature_bytes"], said.json["notes"]) == (64, [])


def test_times_are_shown_as_dates_and_from_now(cli: CLI) -> None:
    out = inspect(cli, cli.sign()).out
    assert "Z, in 2 days" in out.partition("msg.until")[2]
    assert " seconds" in out.partition("\n  exp ")[2]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "1 second ago"),
        (-119, "119 seconds ago"),
        (120, "in 2 minutes"),
        (7200, "in 2 hours"),
        (-200_000, "2 days ago"),
        (0, "in 0 seconds"),
    ],
)
def test_time_difference_is_said_in_words(seconds: float, said: str) -> None:
    assert relative(seconds) == said


def test_foreign_token_is_shown_with_what_a_receiver_would_say(cli: CLI) -> None:
    claims = {"sub": "1234567890", "iat": 1516239022, "exp": 10**30}
    said = inspect(cli, token({"alg": "HS256", "typ": "JWT"}, claims, b"x" * 32), "--json")
    assert said.code == 0
    assert said.json["claims"] == claims
    assert said.json["times"]["iat"].startswith("2018-01-18T01:30:22Z, ")
    assert said.json["times"]["exp"] == "beyond any calendar"
    assert any("'HS256' is not accepted" in one for one in said.json["notes"])


def test_unsigned_token_is_pointed_out() -> None:
    assert "it has no signature at all" in look_into(token({"alg": "none"}, {}, b"")).notes


def test_member_that_stands_twice_is_pointed_out() -> None:
    look = look_into(token({"alg": "ES256"}, b'{"aud":"a","aud":"b"}'))
    assert any("'aud' stands twice" in one for one in look.notes)


def test_encrypted_token_shows_its_header_alone() -> None:
    look = look_into(f"{encode({'alg': 'ECDH-ES', 'enc': 'A256GCM'})}.a.b.c.d")
    assert (look.header, look.claims) == ({"alg": "ECDH-ES", "enc": "A256GCM"}, None)


def test_bearer_prefix_quotes_and_padding_are_tolerated() -> None:
    header = base64.urlsafe_b64encode(b'{"alg": "ES256"}').decode()
    look = look_into(f' "Bearer {header}.{encode({"iss": "a"})}.{encode(b"x")}" \n')
    assert (look.header, look.claims) == ({"alg": "ES256"}, {"iss": "a"})
    assert any("padding" in one for one in look.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no token"),
        ("hello", "got 1"),
        ("-----BEGIN PRIVATE KEY-----\nMIG\n", "a PEM"),
        ('{"payload":"","signatures":[]}', "JSON"),
        ("a.b.c.d", "got 4"),
    ],
)
def test_what_is_nothing_like_a_token_is_one_line_and_exit_code_2(cli: CLI, text: str, says: str) -> None:
    said = inspect(cli, text)
    assert (said.code, said.out) == (2, "")
    assert says in said.err.splitlines()[0]


@pytest.mark.parametrize("text", ["a.b.c", "!.!.!", "e30.e30.e30", token(b"[" * 90_000, {}), "..", "ÿ.ÿ.ÿ"])
def test_broken_token_is_shown_as_far_as_it_can_be_read(cli: CLI, text: str) -> None:
    said = inspect(cli, text, "--json")
    assert said.code in (0, 1)
    assert said.json["notes"]


def test_control_characters_of_a_token_do_not_reach_the_terminal(cli: CLI) -> None:
    # A terminal would obey the first three, and the last two would hide or turn round what follows.
    claims = {"iss": "\x1b[2J\x07", "\x9b31m": "\u202egnp.exe", "exp": "\u2066"}
    for more in ([], ["--json"]):
        said = inspect(cli, token({"alg": "\x1b]0;owned", "kid": "a"}, claims), *more)
        assert said.out
        assert [one for one in said.out + said.err if not one.isprintable() and one != "\n"] == []


def test_escaped_output_is_json_of_the_same_value(cli: CLI) -> None:
    claims = {"iss": "\x1b[2J\u202e\U000e0001 é山🌱\\\n"}
    assert inspect(cli, token({"alg": "a"}, claims), "--json").json["claims"] == claims
