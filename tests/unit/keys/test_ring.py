"""The stages of a key ring: what signs, what is published, what must wait, and what a folder may hold."""

from __future__ import annotations

import json
import os
import stat
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import InvalidKeyError, KeyRing, KeyRingError, SigningKey
from signedmsg._core.document import parse_document
from signedmsg._core.ring_changes import FORGET_AFTER
from tests.unit.keys.rings import DRAIN_WAIT, ISSUER, PUBLISH_WAIT, Rings, document, published, refusal, stages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="file modes are a POSIX matter")


@pytest.fixture
def rings(tmp_path: Path) -> Rings:
    return Rings(tmp_path / "ring")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_ring_is_empty_and_belongs_to_its_issuer(rings: Rings) -> None:
    ring = rings.create()
    assert (ring.issuer, ring.sequence, ring.keys) == (ISSUER, 0, ())
    assert document(ring) == {"issuer": ISSUER, "sequence": 0, "keys": []}


def test_ring_is_never_made_over_another(rings: Rings) -> None:
    kid = rings.create().add().kid
    assert "never overwritten" in str(refusal(rings.create))
    assert [key.kid for key in rings.open().keys] == [kid]


def test_every_problem_of_a_new_ring_is_named_at_once(rings: Rings) -> None:
    wrong: dict[str, Any] = {"issuer": "", "soft_lifetime": 59, "max_lifetime": 301, "sequence": -1}
    with pytest.raises(ValueError, match=r"issuer: .*sequence: .*soft_lifetime: .*max_lifetime: .*password_env: "):
        rings.create(**wrong, password_env="A B")
    assert not rings.path.exists()


def test_folder_without_a_ring_says_how_one_is_made(rings: Rings) -> None:
    error = refusal(rings.open)
    assert (error.code, error.hint) == ("key_ring", "`signedmsg keys init` makes one")


@POSIX
def test_private_key_and_folder_are_for_their_owner_alone(rings: Rings) -> None:
    rings.create().add()
    assert [mode(path) for path in rings.path.glob("*.pem")] == [0o600]
    assert mode(rings.path) == 0o700


@POSIX
def test_umask_changes_neither(rings: Rings) -> None:
    before = os.umask(0)
    try:
        rings.create().add()
        os.umask(0o077)
        rings.open().add()
    finally:
        os.umask(before)
    assert {mode(path) for path in rings.path.glob("*.pem")} == {0o600}
    assert (mode(rings.path / "ring.json"), mode(rings.path)) == (0o644, 0o700)


def test_ring_file_holds_no_secret(rings: Rings) -> None:
    rings.create().add()
    (pem,) = rings.path.glob("*.pem")
    secret = [line for line in pem.read_text().splitlines() if "-----" not in line]
    text = (rings.path / "ring.json").read_text()
    assert secret
    assert [line for line in secret if line in text] == []
    assert '"d"' not in text


@POSIX
def test_private_key_that_everybody_can_read_is_not_used(rings: Rings) -> None:
    rings.active()
    (pem,) = rings.path.glob("*.pem")
    pem.chmod(0o644)
    error = refusal(rings.open().current)
    assert error.hint == f"chmod 600 {pem}"


def test_every_change_raises_the_sequence_by_one(rings: Rings) -> None:
    ring = rings.create(sequence=41)
    seen = [ring.sequence]
    first, second = ring.add(), ring.add("Ed25519")
    seen.append(ring.sequence)
    rings.clock.advance(PUBLISH_WAIT)
    steps: list[Callable[[], object]] = [
        lambda: ring.activate(first.kid),
        lambda: ring.activate(second.kid),
        lambda: ring.remove(first.kid, dangerously_skip_wait=True),
        lambda: ring.revoke(second.kid, "superseded"),
    ]
    for step in steps:
        step()
        seen.append(ring.sequence)
    assert seen == [41, 43, 44, 45, 46, 47]


def test_refused_change_leaves_everything_as_it_was(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    before = (rings.path / "ring.json").read_bytes()
    refusal(ring.activate, kid)
    assert (rings.path / "ring.json").read_bytes() == before


def test_new_key_is_published_and_signs_nothing(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    assert (stages(ring), published(ring)) == (["published"], [kid])
    error = refusal(ring.current)
    assert error.hint == f"{kid} may be activated in {PUBLISH_WAIT} s"


def test_key_signs_only_when_receivers_must_have_read_of_it(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    rings.clock.advance(PUBLISH_WAIT - 1)
    error = refusal(ring.activate, kid)
    assert (error.code, error.wait) == ("key_ring_wait", 1)
    rings.clock.advance(1)
    ring.activate(kid)
    assert ring.current().kid == kid


def test_wait_follows_from_how_long_receivers_keep_a_document(rings: Rings) -> None:
    ring = rings.create(soft_lifetime=3600)
    error = refusal(ring.activate, ring.add().kid)
    assert error.wait == 3600 + 61


def test_loud_option_skips_the_wait(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    ring.activate(kid, dangerously_skip_wait=True)
    assert ring.current().kid == kid


def test_activating_a_key_retires_the_one_before_in_the_same_change(rings: Rings) -> None:
    ring = rings.active()
    new = ring.add().kid
    rings.clock.advance(PUBLISH_WAIT)
    ring.activate(new)
    assert stages(ring) == ["retired", "active"]
    assert len(published(ring)) == 2


def test_retired_key_is_removed_only_when_its_last_token_has_ended(rings: Rings) -> None:
    ring = rings.active()
    old = ring.current().kid
    ring.activate(ring.add().kid, dangerously_skip_wait=True)
    rings.clock.advance(DRAIN_WAIT - 1)
    error = refusal(ring.remove, old)
    assert (error.code, error.wait) == ("key_ring_wait", 1)
    rings.clock.advance(1)
    ring.remove(old)
    assert old not in published(ring)


def test_shorter_tokens_are_drained_sooner(rings: Rings) -> None:
    ring = rings.active(max_lifetime=60)
    assert ring.drain_wait == 60 + 121


def test_removed_key_has_no_private_half_any_more(rings: Rings) -> None:
    ring = rings.create()
    ring.remove(ring.add().kid)
    assert (stages(ring), rings.pems()) == (["removed"], [])


def test_key_that_never_signed_is_removed_at_once(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    ring.retire(kid)
    ring.remove(kid)
    assert published(ring) == []


def test_active_key_is_not_removed(rings: Rings) -> None:
    ring = rings.active()
    error = refusal(ring.remove, ring.current().kid, dangerously_skip_wait=True)
    assert "activate another first" in str(error.hint)


def test_retired_key_that_receivers_know_can_be_activated_again_at_once(rings: Rings) -> None:
    ring = rings.active()
    old = ring.current().kid
    rings.clock.advance(PUBLISH_WAIT)
    ring.activate(ring.add().kid, dangerously_skip_wait=True)
    ring.activate(old)
    assert (ring.current().kid, stages(ring)) == (old, ["active", "retired"])


def test_retiring_a_key_does_not_spare_it_the_wait(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    ring.retire(kid)
    assert refusal(ring.activate, kid).wait == PUBLISH_WAIT


def test_key_that_was_activated_again_drains_from_its_last_retirement(rings: Rings) -> None:
    ring = rings.active()
    old = ring.current().kid
    new = ring.add().kid
    ring.activate(new, dangerously_skip_wait=True)
    rings.clock.advance(DRAIN_WAIT)
    ring.activate(old)
    ring.activate(new)
    assert refusal(ring.remove, old).wait == DRAIN_WAIT


def test_retiring_the_only_key_needs_a_loud_option(rings: Rings) -> None:
    ring = rings.active()
    kid = ring.current().kid
    assert "only key" in str(refusal(ring.retire, kid))
    ring.retire(kid, dangerously_stop_signing=True)
    assert stages(ring) == ["retired"]
    assert "no key of the ring is active" in str(refusal(ring.current))


def test_retiring_the_active_key_hands_over_to_one_that_receivers_know(rings: Rings) -> None:
    ring = rings.active()
    old, spare = ring.current().kid, ring.add().kid
    rings.clock.advance(PUBLISH_WAIT)
    ring.add()
    ring.retire(old)
    assert (ring.current().kid, stages(ring)) == (spare, ["retired", "active", "published"])


def test_revoked_key_leaves_the_document_at_once_and_is_named_in_it(rings: Rings) -> None:
    ring = rings.active()
    kid = ring.current().kid
    ring.revoke(kid, "compromised")
    said = {"kid": kid, "revoked_at": int(rings.clock()), "reason": "compromised"}
    assert (document(ring)["keys"], document(ring)["revoked"]) == ([], [said])
    assert rings.pems() == []


def test_revoking_the_active_key_hands_over_to_one_that_receivers_know(rings: Rings) -> None:
    ring = rings.active()
    stolen, spare = ring.current().kid, ring.add().kid
    rings.clock.advance(PUBLISH_WAIT)
    ring.revoke(stolen, "compromised")
    assert ring.current().kid == spare


def test_revoking_the_only_key_leaves_none_and_says_what_to_do(rings: Rings) -> None:
    ring = rings.active()
    ring.revoke(ring.current().kid, "compromised")
    assert refusal(ring.current).hint == "add a key, and activate it once receivers know it"


def test_key_that_receivers_may_not_know_never_takes_over_by_itself(rings: Rings) -> None:
    ring = rings.active()
    ring.add()
    ring.revoke(ring.current().kid, "compromised")
    assert stages(ring) == ["revoked", "published"]


def test_removed_key_can_still_be_revoked(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    ring.remove(kid)
    ring.revoke(kid, "found in a backup")
    assert [one["kid"] for one in document(ring)["revoked"]] == [kid]


@pytest.mark.parametrize("reason", ["", "a\nb", "é", "x" * 257, None])
def test_reason_is_a_short_line_for_everybody(rings: Rings, reason: Any) -> None:
    ring = rings.active()
    assert str(refusal(ring.revoke, ring.current().kid, reason)).startswith("reason: ")


def test_revocation_is_dropped_once_the_key_has_long_ended(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add(expires=timedelta(days=30)).kid
    ring.revoke(kid, "superseded")
    rings.clock.advance(30 * 86400 + FORGET_AFTER - 10)
    ring.add()
    assert "revoked" in document(ring)
    rings.clock.advance(20)
    ring.add()
    assert "revoked" not in document(ring)


def test_revocation_of_a_key_without_end_stays(rings: Rings) -> None:
    ring = rings.create()
    ring.revoke(ring.add().kid, "superseded")
    rings.clock.advance(10 * 365 * 86400)
    ring.add()
    assert len(document(ring)["revoked"]) == 1


def test_key_ends_when_it_was_told_to(rings: Rings) -> None:
    ring = rings.create()
    key = ring.add(expires=timedelta(days=90))
    end = int(rings.clock()) + 90 * 86400
    assert (key.public.expires, document(ring)["keys"][0]["exp"]) == (end, end)


@pytest.mark.parametrize("expires", [timedelta(seconds=359), timedelta(days=-1), 1])
def test_key_that_ends_before_its_tokens_is_refused(rings: Rings, expires: Any) -> None:
    ring = rings.create()
    assert "ends before" in str(refusal(ring.add, expires=expires))
    assert rings.pems() == []


def test_key_that_is_about_to_end_is_not_activated(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add(expires=timedelta(seconds=700)).kid
    rings.clock.advance(400)
    assert "ends before" in str(refusal(ring.activate, kid, dangerously_skip_wait=True))


def test_key_from_elsewhere_keeps_its_kid_and_algorithm(rings: Rings) -> None:
    ring = rings.create()
    pem = SigningKey.generate("EdDSA").to_pem()
    key = SigningKey.from_pem(pem, alg="EdDSA", kid="2026/a")
    ring.add(key=key)
    ring.activate("2026/a", dangerously_skip_wait=True)
    signer = rings.open().current()
    assert (signer.kid, signer.alg) == ("2026/a", "EdDSA")
    key.public.verify(signer.sign(b"x"), b"x")


def test_key_that_was_in_the_ring_before_is_refused(rings: Rings) -> None:
    ring = rings.create()
    key = SigningKey.generate()
    ring.remove(ring.add(key=key).kid)
    assert "this very key" in str(refusal(ring.add, key=key))


def test_unknown_algorithm_is_refused(rings: Rings) -> None:
    with pytest.raises(InvalidKeyError, match="alg: expected one of"):
        rings.create().add("HS256")


@pytest.mark.parametrize("alg", ["ES384", "Ed25519", "PS256", "ML-DSA-44"])
def test_key_of_each_kind_signs_after_it_was_read_back(rings: Rings, alg: str) -> None:
    ring = rings.create()
    key = ring.add(alg)
    ring.activate(key.kid, dangerously_skip_wait=True)
    key.public.verify(rings.open().current().sign(b"x"), b"x")
    assert rings.open().alg == alg


def test_password_of_the_environment_encrypts_the_keys(rings: Rings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RING_PASSWORD", "correct horse")
    rings.active(password_env="RING_PASSWORD")
    (pem,) = rings.path.glob("*.pem")
    assert "ENCRYPTED" in pem.read_text()
    assert "correct horse" not in (rings.path / "ring.json").read_text()
    assert rings.open().current().alg == "ES256"


@pytest.mark.parametrize("password", ["", "wrong"])
def test_ring_without_its_password_opens_yet_signs_nothing(
    rings: Rings, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("RING_PASSWORD", "correct horse")
    rings.active(password_env="RING_PASSWORD")
    monkeypatch.setenv("RING_PASSWORD", password)
    ring = rings.open()
    error = refusal(ring.current)
    assert "RING_PASSWORD" in f"{error} {error.hint}"
    assert published(ring)


def test_private_key_of_another_name_is_not_used(rings: Rings) -> None:
    rings.active()
    (pem,) = rings.path.glob("*.pem")
    pem.write_text(SigningKey.generate().to_pem())
    assert "another key" in str(refusal(rings.open().current))


def test_missing_private_key_is_a_clear_error(rings: Rings) -> None:
    rings.active()
    (pem,) = rings.path.glob("*.pem")
    pem.unlink()
    assert str(pem) in str(refusal(rings.open().current))


def test_no_change_goes_through_while_the_clock_is_behind_the_publication(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    rings.clock.step_back(1000)
    error = refusal(ring.activate, kid)
    assert (error.wait, "was it set back?" in str(error.hint)) == (1000 + PUBLISH_WAIT, True)


def test_wait_that_began_while_the_clock_was_behind_does_not_end_early(rings: Rings) -> None:
    ring = rings.active()
    old = ring.current().kid
    rings.clock.step_back(1000)
    ring.activate(ring.add().kid, dangerously_skip_wait=True)
    rings.clock.advance(1000)
    assert refusal(ring.remove, old).wait == DRAIN_WAIT


def test_clock_that_steps_back_stops_no_signing(rings: Rings) -> None:
    ring = rings.active()
    rings.clock.step_back(86400)
    assert ring.current().alg == "ES256"


def test_once_a_ring_is_exported_a_key_waits_from_its_export(rings: Rings) -> None:
    ring = rings.create()
    ring.export(rings.path / "keys.json")
    kid = ring.add().kid
    rings.clock.advance(PUBLISH_WAIT)
    error = refusal(ring.activate, kid)
    assert (error.wait, "export" in str(error.hint)) == (None, True)
    ring.export(rings.path / "keys.json")
    assert refusal(ring.activate, kid).wait == PUBLISH_WAIT
    rings.clock.advance(PUBLISH_WAIT)
    ring.activate(kid)
    assert ring.current().kid == kid


def test_second_export_does_not_begin_the_wait_anew(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add().kid
    ring.export(rings.path / "keys.json")
    rings.clock.advance(100)
    ring.add()
    ring.export(rings.path / "keys.json")
    assert refusal(ring.activate, kid).wait == PUBLISH_WAIT - 100


def test_exported_file_is_the_document_for_everybody(rings: Rings, tmp_path: Path) -> None:
    ring = rings.active()
    written = ring.export(tmp_path / "keys.json")
    assert (tmp_path / "keys.json").read_bytes() == written.content == ring.document().content
    assert mode(tmp_path / "keys.json") == 0o644 or sys.platform == "win32"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_export_changes_no_sequence(rings: Rings, tmp_path: Path) -> None:
    ring = rings.active()
    before = ring.sequence
    ring.export(tmp_path / "keys.json")
    assert (ring.sequence, ring.exported) == (before, before)


def test_document_of_a_later_sequence_is_not_replaced(rings: Rings, tmp_path: Path) -> None:
    target = tmp_path / "keys.json"
    target.write_text(json.dumps({"issuer": ISSUER, "sequence": 99, "keys": []}))
    assert "sequence 99" in str(refusal(rings.active().export, target))
    assert '"sequence": 99' in target.read_text()


def test_document_of_another_issuer_is_not_replaced(rings: Rings, tmp_path: Path) -> None:
    target = tmp_path / "keys.json"
    target.write_text(json.dumps({"issuer": "https://other.example", "sequence": 0, "keys": []}))
    assert "another issuer" in str(refusal(rings.active().export, target))


def test_document_is_what_receivers_can_read_at_every_stage(rings: Rings) -> None:
    ring = rings.active()
    ring.add(expires=timedelta(days=2))
    ring.revoke(ring.add("Ed25519").kid, "superseded")
    read = parse_document(ring.document().content)
    assert (read.issuer, read.sequence, len(read.keys), len(read.revoked), read.refused) == (ISSUER, 5, 2, 1, ())


@pytest.mark.parametrize(
    ("soft_lifetime", "max_age"), [(60, 60), (300, 300), (3600, 300)], ids=["short", "default", "long"]
)
def test_document_is_never_kept_longer_than_rotations_wait(rings: Rings, soft_lifetime: int, max_age: int) -> None:
    assert rings.create(soft_lifetime=soft_lifetime).document().max_age == max_age


def test_ring_holds_no_more_keys_than_a_document(rings: Rings) -> None:
    ring = rings.create()
    for _ in range(64):
        ring.add("Ed25519")
    assert "at most 64" in str(refusal(ring.add))


@pytest.mark.parametrize("kid", ["nothere", ""])
@pytest.mark.parametrize("action", ["activate", "retire", "remove", "next_step"])
def test_kid_that_the_ring_does_not_have_is_named(rings: Rings, action: str, kid: str) -> None:
    assert str(refusal(getattr(rings.active(), action), kid)) == f"the ring has no key {kid}"


@pytest.mark.parametrize("action", ["activate", "retire", "remove"])
def test_revoked_key_goes_nowhere(rings: Rings, action: str) -> None:
    ring = rings.active()
    kid = ring.current().kid
    ring.revoke(kid, "compromised")
    assert f"{kid} is revoked" in str(refusal(getattr(ring, action), kid))


def test_next_steps_say_what_and_when(rings: Rings) -> None:
    ring = rings.active()
    old, new = ring.current().kid, ring.add().kid
    now = int(rings.clock())
    assert ring.next_step(old) == ("replace", None)
    assert ring.next_step(new) == ("activate", now + PUBLISH_WAIT)
    rings.clock.advance(PUBLISH_WAIT)
    ring.activate(new)
    assert ring.next_step(old) == ("remove", now + PUBLISH_WAIT + DRAIN_WAIT)


DAMAGE: dict[str, Callable[[Rings], object]] = {
    "empty": lambda rings: (rings.path / "ring.json").write_bytes(b""),
    "cut off": lambda rings: (rings.path / "ring.json").write_bytes((rings.path / "ring.json").read_bytes()[:-40]),
    "not UTF-8": lambda rings: (rings.path / "ring.json").write_bytes(b"\xff\xfe"),
    "an array": lambda rings: (rings.path / "ring.json").write_bytes(b"[]"),
    "too large": lambda rings: (rings.path / "ring.json").write_bytes(b" " * (2 * 1024 * 1024 + 1)),
    "a later version": lambda rings: rings.write(version=2),
    "an unknown member": lambda rings: rings.write(extra=1),
    "no keys": lambda rings: rings.write(keys=None),
    "keys of no form": lambda rings: rings.write(keys=[1]),
    "a sequence that is no number": lambda rings: rings.write(sequence="1"),
    "a time that is no number": lambda rings: rings.write(changed_at=None),
    "an issuer of no form": lambda rings: rings.write(issuer=3),
    "two active keys": lambda rings: rings.write(keys=[{**key, "stage": "active"} for key in _activated(rings)]),
    "one kid twice": lambda rings: rings.write(keys=rings.written()["keys"][:1] * 2),
    "an unknown stage": lambda rings: rings.write(keys=[{**key, "stage": "new"} for key in rings.written()["keys"]]),
    "a stage without its time": lambda rings: rings.write(
        keys=[{**key, "stage": "retired", "retired_at": None} for key in rings.written()["keys"]]
    ),
    "a private member": lambda rings: rings.write(
        keys=[{**key, "jwk": {**key["jwk"], "d": "AA"}} for key in rings.written()["keys"]]
    ),
    "a member of a key missing": lambda rings: rings.write(
        keys=[{"jwk": key["jwk"]} for key in rings.written()["keys"]]
    ),
}


def _activated(rings: Rings) -> list[dict[str, Any]]:
    return [{**key, "activated_at": key["published_at"]} for key in rings.written()["keys"]]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_ring_is_a_clear_error_and_nothing_is_written(rings: Rings, damage: Callable[[Rings], object]) -> None:
    ring = rings.active()
    ring.add()
    damage(rings)
    before = (rings.path / "ring.json").read_bytes()
    assert "ring.json is damaged" in str(refusal(rings.open))
    assert "ring.json is damaged" in str(refusal(ring.add))
    assert ((rings.path / "ring.json").read_bytes(), len(rings.pems())) == (before, 2)


def test_damaged_ring_still_lets_a_running_sender_sign_and_is_logged_once(
    rings: Rings, caplog: pytest.LogCaptureFixture
) -> None:
    ring = rings.active()
    kid = ring.current().kid
    (rings.path / "ring.json").write_bytes(b"{")
    for _ in range(3):
        rings.clock.advance(2)
        assert ring.current().kid == kid
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "going on with sequence 2" in caplog.text


def test_ring_that_becomes_another_issuers_is_not_followed(rings: Rings) -> None:
    ring = rings.active()
    rings.write(issuer="https://evil.example")
    rings.clock.advance(2)
    assert ring.document().issuer == ISSUER


def test_ring_put_back_from_an_old_copy_is_reported(rings: Rings, caplog: pytest.LogCaptureFixture) -> None:
    ring = rings.active()
    rings.write(sequence=0)
    rings.clock.advance(2)
    assert ring.sequence == 0
    assert "sequence went down" in caplog.text


def test_change_by_another_process_is_picked_up_within_a_second(rings: Rings) -> None:
    ring, other = rings.active(), rings.open()
    old = other.current().kid
    new = ring.add().kid
    ring.activate(new, dangerously_skip_wait=True)
    assert other.current().kid == old
    rings.clock.advance(1)
    assert (other.current().kid, other.sequence) == (new, ring.sequence)


def test_ring_is_read_at_most_once_a_second(rings: Rings) -> None:
    reads = 0
    ring = rings.active()
    read = ring._folder.read

    def counting() -> bytes:
        nonlocal reads
        reads += 1
        return read()

    ring._folder.read = counting  # type: ignore[method-assign]
    for _ in range(100):
        rings.clock.advance(0.05)
        ring.current()
        ring.document()
    assert 4 <= reads <= 5


def test_revocation_by_another_process_stops_the_key_though_its_file_is_gone(rings: Rings) -> None:
    ring, other = rings.active(), rings.open()
    stolen, spare = ring.current().kid, ring.add().kid
    rings.clock.advance(PUBLISH_WAIT)
    other.keys  # noqa: B018 - the other process has just looked
    ring.revoke(stolen, "compromised")
    # It never loaded the stolen key: the PEM is deleted, and what it knows names that key.
    assert other.current().kid == spare


def test_private_key_that_nothing_names_is_kept_and_reported(rings: Rings) -> None:
    ring = rings.active()
    (rings.path / "key-unknown.pem").write_text("something of somebody")
    ring.add()
    assert ring.leftovers == ["key-unknown.pem"]


def test_drafts_that_a_crash_left_are_cleared_by_the_next_change(rings: Rings) -> None:
    ring = rings.active()
    for name in (".ring.json.00ff", ".key-abc.pem.00ff"):
        (rings.path / name).write_text("x")
    ring.add()
    assert [path.name for path in rings.path.iterdir() if path.name.startswith(".")] == []


def test_ring_shows_its_folder_and_issuer_and_no_secret(rings: Rings) -> None:
    ring = rings.active()
    assert repr(ring) == f"KeyRing({str(rings.path)!r}, {ISSUER!r})"


def test_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyRingError, match="file"):
        KeyRing.create(tmp_path / "file" / "ring", ISSUER)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_looks_again_though_its_parent_was_reading(rings: Rings) -> None:
    ring = rings.active()
    new = rings.open().add().kid
    rings.open().activate(new, dangerously_skip_wait=True)
    rings.clock.advance(2)
    # As if another thread of the parent were at it: in the child nobody would ever let go.
    with ring._reader._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if ring.current().kid == new else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ring.current().kid != new


def test_readers_do_not_wait_for_one_another(rings: Rings) -> None:
    ring = rings.active()
    kid = ring.current().kid
    rings.clock.advance(2)
    with ring._reader._lock:
        # On this very thread: a wait would never end.
        assert (ring.current().kid, ring.document().sequence) == (kid, 2)
