"""`signedmsg keys`: a rotation by hand, what it says at each step, and what it never says."""

from __future__ import annotations

import json
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import KeyRing, SigningKey
from tests.cli.commands import AUDIENCE, ISSUER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.commands import CLI


@pytest.fixture
def ring(cli: CLI) -> Path:
    """A ring with one key, which signs."""
    assert cli("keys", "init", "ring", "--issuer", ISSUER).code == 0
    kid = add(cli)
    assert cli("keys", "activate", "ring", kid, "--dangerously-skip-wait").code == 0
    return cli.folder / "ring"


def add(cli: CLI, *more: str) -> str:
    return str(cli("keys", "add", "ring", "--json", *more).json["key"]["kid"])


def listed(cli: CLI) -> list[dict[str, Any]]:
    return list(cli("keys", "list", "ring", "--json").json["keys"])


def active(cli: CLI) -> str:
    return next(key["kid"] for key in listed(cli) if key["stage"] == "active")


def at(ring: Path, seconds: float) -> KeyRing:
    """The ring as of a time from now."""
    return KeyRing.open(ring, clock=lambda: time.time() + seconds)


def test_new_ring_says_what_comes_next(cli: CLI) -> None:
    said = cli("keys", "init", "ring", "--issuer", ISSUER)
    assert (said.code, said.out) == (0, "")
    assert "next: signedmsg keys add ring" in said.err


def test_ring_is_never_made_twice(cli: CLI, ring: Path) -> None:
    said = cli("keys", "init", "ring", "--issuer", ISSUER)
    assert (said.code, "never overwritten" in said.err) == (2, True)


def test_wrong_options_of_a_new_ring_are_all_named(cli: CLI) -> None:
    said = cli("keys", "init", "ring", "--issuer", "", "--soft-lifetime", "1", "--max-lifetime", "301")
    assert said.code == 2
    assert all(name in said.err for name in ("issuer:", "soft_lifetime:", "max_lifetime:"))


def test_new_key_is_published_and_can_be_activated_in_seven_minutes(cli: CLI, ring: Path) -> None:
    said = cli("keys", "add", "ring")
    kid = listed(cli)[1]["kid"]
    assert said.err.splitlines()[0] == f"published {kid}"
    assert said.err.splitlines()[1] == f"  next: signedmsg keys activate ring {kid[:12]}, in 7 min"


def test_list_shows_stage_age_and_next_step(cli: CLI, ring: Path) -> None:
    kid = add(cli, "--days", "90")
    head, names, *rows = cli("keys", "list", "ring").out.splitlines()
    assert (head, names.split()) == (f"{ISSUER}, sequence 3", ["KID", "ALG", "STAGE", "FOR", "NEXT"])
    assert rows[0].split()[1:3] == ["ES256", "active"]
    assert rows[1].split()[:3] == [kid, "ES256", "published"]
    assert rows[1].endswith("activate in 7 min")


def test_list_as_json_has_the_times(cli: CLI, ring: Path) -> None:
    kid = add(cli)
    said = cli("keys", "list", "ring", "--json").json
    key = said["keys"][1]
    assert (said["issuer"], said["sequence"], said["exported"], key["kid"]) == (ISSUER, 3, None, kid)
    assert (key["next"], key["at"] - key["published_at"]) == ("activate", 361)


def test_key_that_receivers_may_not_know_is_not_activated(cli: CLI, ring: Path) -> None:
    before = active(cli)
    said = cli("keys", "activate", "ring", add(cli))
    assert (said.code, active(cli)) == (3, before)
    assert "wait 36" in said.err
    assert "--dangerously-skip-wait" in said.err


def test_key_that_receivers_know_is_activated_and_the_one_before_retired(cli: CLI, ring: Path) -> None:
    old = active(cli)
    new = add(cli)
    at(ring, 400).activate(new)
    assert [(key["kid"], key["stage"]) for key in listed(cli)] == [(old, "retired"), (new, "active")]


def test_kid_may_be_shortened(cli: CLI, ring: Path) -> None:
    kid = add(cli)
    assert cli("keys", "activate", "ring", kid[:8], "--dangerously-skip-wait").code == 0
    assert active(cli) == kid


def test_beginning_of_several_kids_names_none(cli: CLI, ring: Path) -> None:
    one = KeyRing.open(ring)
    for kid in ("2026-11-a", "2026-11-b"):
        one.add(key=SigningKey.from_pem(SigningKey.generate().to_pem(), kid=kid))
    said = cli("keys", "revoke", "ring", "2026", "--reason", "x")
    assert (said.code, "2 keys begin with" in said.err) == (2, True)
    assert [key["stage"] for key in listed(cli)] == ["active", "published", "published"]


@pytest.mark.parametrize("length", [0, 1, 3])
def test_empty_or_very_short_kid_never_means_the_only_key(cli: CLI, ring: Path, length: int) -> None:
    said = cli("keys", "revoke", "ring", active(cli)[:length], "--reason", "x")
    assert (said.code, "at least its first 4 characters" in said.err) == (2, True)
    assert [key["stage"] for key in listed(cli)] == ["active"]


def test_unknown_kid_is_named(cli: CLI, ring: Path) -> None:
    said = cli("keys", "remove", "ring", "nothere")
    assert (said.code, "no key begins with 'nothere'" in said.err) == (2, True)


def test_retired_key_is_not_removed_while_its_tokens_live(cli: CLI, ring: Path) -> None:
    old = active(cli)
    cli("keys", "activate", "ring", add(cli), "--dangerously-skip-wait")
    said = cli("keys", "remove", "ring", old)
    assert (said.code, "on their way" in said.err) == (3, True)
    assert cli("keys", "remove", "ring", old, "--dangerously-skip-wait").code == 0
    assert [key["stage"] for key in listed(cli)] == ["removed", "active"]


def test_only_key_is_retired_by_a_loud_option_alone(cli: CLI, ring: Path) -> None:
    kid = active(cli)
    assert cli("keys", "retire", "ring", kid).code == 2
    said = cli("keys", "retire", "ring", kid, "--dangerously-stop-signing")
    assert (said.code, "NOTHING can be signed" in said.err) == (0, True)


def test_revoking_says_who_signs_now(cli: CLI) -> None:
    ring = KeyRing.create(cli.folder / "ring", ISSUER, clock=lambda: time.time() - 1000)
    stolen, spare = ring.add().kid, ring.add().kid
    ring.activate(stolen, dangerously_skip_wait=True)
    said = cli("keys", "revoke", "ring", stolen, "--reason", "stolen laptop")
    assert (said.code, said.err.splitlines()[0]) == (0, f"{stolen} is revoked; {spare} signs")
    assert "revoked (stolen laptop)" in cli("keys", "list", "ring").out


def test_revoking_needs_a_reason(cli: CLI, ring: Path) -> None:
    assert "--reason" in cli("keys", "revoke", "ring", active(cli)).err


def test_exported_document_verifies_what_the_ring_signs(cli: CLI, ring: Path) -> None:
    said = cli("keys", "export", "ring", "--out", "keys.json")
    assert (said.code, "wrote sequence 2 to keys.json" in said.err) == (0, True)
    words = ["--audience", AUDIENCE, "--type", "invoice.paid", "--data-json", "7"]
    token = cli("sign", "--ring", "ring", *words).out.strip()
    said = cli.verify(token)
    assert (said.code, json.loads(said.out)["data"]) == (0, 7)


def test_export_that_lags_behind_is_reported(cli: CLI, ring: Path) -> None:
    cli("keys", "export", "ring", "--out", "keys.json")
    said = cli("keys", "add", "ring")
    assert "next: signedmsg keys export ring" in said.err
    assert "last exported has sequence 2" in cli("keys", "list", "ring").err


def test_document_of_a_higher_sequence_is_not_replaced(cli: CLI, ring: Path) -> None:
    cli.keys.write_text(json.dumps({"issuer": ISSUER, "sequence": 9, "keys": []}))
    said = cli("keys", "export", "ring", "--out", "keys.json")
    assert (said.code, "sequence 9" in said.err) == (2, True)


def test_export_to_a_folder_that_is_not_there_is_one_line(cli: CLI, ring: Path) -> None:
    said = cli("keys", "export", "ring", "--out", "nowhere/keys.json")
    assert (said.code, len(said.err.splitlines())) == (2, 1)


def test_key_in_use_can_be_taken_into_a_ring(cli: CLI) -> None:
    cli("keys", "init", "ring", "--issuer", ISSUER, "--sequence", "7")
    assert add(cli, "--from", "billing.pem") == cli.kid
    assert cli("keys", "list", "ring", "--json").json["sequence"] == 8


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--alg", "HS256"], "alg: expected one of"),
        (["--days", "0"], "--days: expected 1 to"),
        (["--days", "99999999999999"], "--days: expected 1 to"),
        (["--days", "soon"], "--days: invalid int value"),
        (["--from", "nothere.pem"], "nothere.pem"),
        (["--password-env", "X"], "--password-env: belongs to --from"),
    ],
)
def test_key_that_cannot_be_added_is_a_clear_error(cli: CLI, ring: Path, words: list[str], problem: str) -> None:
    said = cli("keys", "add", "ring", *words)
    assert (said.code, problem in said.err) == (2, True)
    assert len(listed(cli)) == 1


def test_folder_that_is_no_ring_says_how_to_make_one(cli: CLI) -> None:
    said = cli("keys", "list", "nowhere")
    assert (said.code, "signedmsg keys init" in said.err) == (2, True)
    assert "no ring.json" in cli("sign", "--ring", "nowhere", "--audience", "a", "--type", "a", "--data-json", "1").err


def test_damaged_ring_is_one_line_and_a_hint(cli: CLI, ring: Path) -> None:
    (ring / "ring.json").write_text("{")
    said = cli("keys", "add", "ring")
    assert (said.code, len(said.err.splitlines())) == (2, 2)
    assert "ring.json is damaged" in said.err


def test_leftover_private_key_is_reported(cli: CLI, ring: Path) -> None:
    SigningKey.generate().save(ring / "key-stray.pem")
    assert "key-stray.pem: a private key that is not in the ring" in cli("keys", "list", "ring").err


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are a POSIX matter")
def test_private_keys_are_for_their_owner_alone(cli: CLI, ring: Path) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in ring.glob("*.pem")} == {0o600}


def test_no_secret_is_ever_printed(cli: CLI, ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [line for pem in ring.glob("*.pem") for line in pem.read_text().splitlines() if "-----" not in line]
    kid = active(cli)
    commands = [
        ("list", "ring"),
        ("list", "ring", "--json"),
        ("add", "ring", "--json"),
        ("export", "ring", "--out", "keys.json", "--json"),
        ("activate", "ring", kid),
        ("retire", "ring", kid, "--dangerously-stop-signing", "--json"),
        ("revoke", "ring", kid, "--reason", "x", "--json"),
    ]
    said = [cli("keys", *words) for words in commands]
    printed = "".join(one.out + one.err for one in said)
    assert secrets
    assert [line for line in [*secrets, "PRIVATE", '"d"'] if line in printed] == []


def test_password_of_a_ring_is_never_printed(cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RING_PASSWORD", "correct horse")
    cli("keys", "init", "ring", "--issuer", ISSUER, "--password-env", "RING_PASSWORD")
    kid = add(cli)
    cli("keys", "activate", "ring", kid, "--dangerously-skip-wait")
    monkeypatch.setenv("RING_PASSWORD", "wrong horse")
    said = cli("sign", "--ring", "ring", "--audience", "a", "--type", "a", "--data-json", "1")
    assert (said.code, "RING_PASSWORD" in said.err, "horse" in said.err) == (2, True, False)
    assert "horse" not in cli("keys", "list", "ring").out


def test_issuer_beside_a_ring_must_be_the_rings_own(cli: CLI, ring: Path) -> None:
    words = ["--audience", "a", "--type", "a", "--data-json", "1"]
    said = cli("sign", "--ring", "ring", "--issuer", "https://other.example", *words)
    assert (said.code, "the ring is that of" in said.err) == (2, True)


def test_issuer_is_still_needed_beside_a_key(cli: CLI) -> None:
    said = cli("sign", "--key", "billing.pem", "--audience", "a", "--type", "a", "--data-json", "1")
    assert (said.code, "expected --issuer" in said.err) == (2, True)


def test_help_shows_a_whole_rotation(cli: CLI) -> None:
    said = cli("keys", "--help").out
    assert all(
        f"signedmsg keys {action}" in said for action in ("init", "add", "export", "activate", "remove", "revoke")
    )
