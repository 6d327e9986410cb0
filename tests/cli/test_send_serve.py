"""send to serve, two processes: nothing lost, nothing altered, in order, and every failure counted."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from signedmsg import SigningKey
from tests.cli import payloads
from tests.cli.commands import COMMAND, ISSUER, Serving, call, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.commands import CLI

MEMBERS = ["--type-from", "kind", "--data-from", "body", "--id-from", "key"]


def test_message_sent_is_the_message_printed(cli: CLI) -> None:
    with Serving(*cli.trust, "--port", "0") as serving:
        data = {"number": 42, "customer": "José 山田 🌱\u202e"}
        said = cli(
            "send", serving.url, *cli.signer, "--type", "invoice.paid", "--data-json", json.dumps(data), "--id", "m1"
        )
        stopped = serving.stop()
    assert (said.code, said.err) == (0, "")
    assert said.out == "sent 1, accepted 1, duplicates 0, refused 0\n"
    assert [(one["id"], one["type"], one["data"]) for one in serving.received] == [("m1", "invoice.paid", data)]
    assert (serving.code, stopped["accepted"], stopped["refused"]) == (0, 1, 0)


@pytest.mark.slow
def test_thousands_of_payloads_arrive_unaltered_and_in_order(cli: CLI) -> None:
    lines = payloads.generated(3000)
    payloads.write(cli.folder / "lines.jsonl.gz", lines)
    with Serving(*cli.trust, "--port", "0", "--replay", str(cli.folder / "seen.db")) as serving:
        said = cli("send", serving.url, *cli.signer, "--lines", "lines.jsonl.gz", *MEMBERS, "--json")
        stopped = serving.stop()
    assert said.code == 0, said.err
    assert {name: said.json[name] for name in ("sent", "accepted", "duplicates", "refused", "complete")} == {
        "sent": 3000,
        "accepted": 3000,
        "duplicates": 0,
        "refused": 0,
        "complete": True,
    }
    assert [one["id"] for one in serving.received] == [line["key"] for line in lines]
    assert [one["type"] for one in serving.received] == [line["kind"] for line in lines]
    arrived = [json.dumps(one["data"]) for one in serving.received]
    assert arrived == [json.dumps(line["body"]) for line in lines]
    assert (stopped["accepted"], stopped["refused"]) == (3000, 0)


if (REAL := payloads.real()) is not None:

    @pytest.mark.slow
    def test_real_webhook_payloads_arrive_unaltered_and_in_order(cli: CLI) -> None:
        with Serving(*cli.trust, "--port", "0") as serving:
            said = cli("send", serving.url, *cli.signer, "--lines", str(REAL), "--type", "webhook", "--json")
            serving.stop()
        lines = payloads.read(REAL)
        assert (said.code, said.json["accepted"]) == (0, len(lines))
        assert [one["data"] for one in serving.received] == lines


@pytest.mark.parametrize("packed", [False, True])
def test_lines_come_from_stdin_gzip_or_not(cli: CLI, packed: bool) -> None:
    text = b'{"n":1}\n\n  \n[2]\r\n"three"'
    with Serving(*cli.trust, "--port", "0") as serving:
        words = ["send", serving.url, *cli.signer, "--type", "a", "--lines", "-"]
        done = call(*words, stdin=gzip.compress(text) if packed else text)
        serving.stop()
    assert (done.returncode, done.stderr) == (0, b"")
    assert [one["data"] for one in serving.received] == [{"n": 1}, [2], "three"]


def test_lines_that_cannot_be_read_are_counted_and_the_others_sent(cli: CLI) -> None:
    good = '{"kind":"a","body":1}'
    bad = ["{", '{"kind":"a"}', '{"kind":7,"body":1}', "[1]", '{"kind":"a","kind":"b","body":1}']
    (cli.folder / "lines.jsonl").write_text("\n".join([good, *bad, good]), "utf-8")
    with Serving(*cli.trust, "--port", "0") as serving:
        words = ["--type-from", "kind", "--data-from", "body", "--json"]
        said = cli("send", serving.url, *cli.signer, "--lines", "lines.jsonl", *words)
        serving.stop()
    assert said.code == 1
    assert (said.json["accepted"], said.json["refused"]) == (2, 5)
    assert said.json["reasons"] == {"line cannot be read": 5}
    assert [line.partition(":")[0] for line in said.err.splitlines()] == [f"line {number}" for number in range(2, 7)]


def test_message_that_cannot_be_signed_is_counted_and_the_others_sent(cli: CLI) -> None:
    (cli.folder / "lines.jsonl").write_text("1\n12345678901234567890\n3\n")
    with Serving(*cli.trust, "--port", "0") as serving:
        said = cli("send", serving.url, *cli.signer, "--type", "a", "--lines", "lines.jsonl", "--json")
        serving.stop()
    assert (said.code, said.json["accepted"]) == (1, 2)
    assert said.json["reasons"] == {"cannot be signed": 1}
    assert "line 2: data: an integer beyond" in said.err


def test_damaged_gzip_file_sends_what_can_be_read_and_says_so(cli: CLI) -> None:
    whole = gzip.compress(b"".join(b"%d\n" % number for number in range(5)))
    (cli.folder / "lines.gz").write_bytes(whole[:-6])
    with Serving(*cli.trust, "--port", "0") as serving:
        said = cli("send", serving.url, *cli.signer, "--type", "a", "--lines", "lines.gz")
        serving.stop()
    assert said.code == 1
    assert "the gzip data is damaged" in said.err
    assert "accepted 5" in said.out


def test_types_that_are_not_allowed_are_counted_by_reason(cli: CLI) -> None:
    (cli.folder / "lines.jsonl").write_text('{"k":"a.b"}\n{"k":"c"}\n{"k":"a.d"}\n{"k":"c"}\n')
    with Serving(*cli.trust, "--port", "0", "--allow", "a.*") as serving:
        words = ["--lines", "lines.jsonl", "--type-from", "k", "--retries", "0"]
        said = cli("send", serving.url, *cli.signer, *words)
        stopped = serving.stop()
    assert said.code == 1
    assert said.out.splitlines()[0].startswith("sent 4, accepted 2, duplicates 0, refused 2")
    assert said.out.splitlines()[1:] == ["  2 × 403 not_allowed"]
    assert (stopped["accepted"], stopped["refused"]) == (2, 2)


@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        ("audience", "audience", "another URL"),
        ("key", "verification_failed", "does not trust this issuer"),
        ("path", "not from a signedmsg receiver", "is the path of the URL right?"),
    ],
)
def test_run_stops_where_no_message_can_succeed(cli: CLI, change: str, reason: str, hint: str) -> None:
    (cli.folder / "lines.jsonl").write_text("1\n2\n3\n")
    more = ["--audience", "https://shop.example/"] if change == "audience" else []
    if change == "key":
        cli.key.unlink()
        SigningKey.generate().save(cli.key)
    with Serving(*cli.trust, "--port", "0", *more) as serving:
        url = serving.url + ("elsewhere" if change == "path" else "")
        words = ["--type", "a", "--lines", "lines.jsonl", "--retries", "0"]
        said = cli("send", url, *cli.signer, *words)
        serving.stop()
    assert said.code == 1
    assert said.out.startswith("sent 1, accepted 0, duplicates 0, refused 1\n")
    assert reason in said.out
    assert hint in said.err
    assert "stopped at line 1" in said.err


def test_nobody_who_answers_is_not_delivered_with_a_hint(cli: CLI) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        said = cli("send", url, *cli.signer, "--type", "a", "--data-json", "1", "--retries", "0")
    assert said.code == 1
    assert "no answer came" in said.err
    assert "is the receiver running" in said.err
    assert "1 × no answer" in said.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["http://shop.example/inbox", "--type", "a", "--data-json", "1"], "for this machine only"),
        (["ftp://shop.example/", "--type", "a", "--data-json", "1"], "URL: expected a URL"),
        (["https://shop.example/inbox", "--data-json", "1"], "expected --type"),
        (["https://shop.example/inbox", "--data-json", "1", "--type-from", "kind"], "belong to --lines"),
        (["https://shop.example/inbox", "--lines", "x", "--type", "a", "--id", "1"], "--id names one message"),
        (["https://shop.example/inbox", "--lines", "none.jsonl", "--type", "a"], "--lines none.jsonl: No such file"),
        (["https://shop.example/inbox", "--data", "none.json", "--type", "a"], "--data none.json: No such file"),
        (["https://shop.example/inbox", "--data-json", "1", "--type", "a", "--retries", "-1"], "--retries"),
        (["https://shop.example/inbox", "--data-json", "1", "--type", "a", "--timeout", "0"], "timeout: expected"),
        (["https://shop.example/inbox", "--type", "a"], "is required"),
    ],
)
def test_wrong_use_of_send_is_one_line_and_exit_code_2(cli: CLI, words: list[str], says: str) -> None:
    said = cli("send", *cli.signer, *words)
    assert said.code == 2
    assert says in said.err.splitlines()[0]


def test_interrupted_run_still_says_what_was_accepted(cli: CLI) -> None:
    with Serving(*cli.trust, "--port", "0") as serving:
        words = ["send", serving.url, *cli.signer, "--type", "a", "--lines", "-"]
        with subprocess.Popen(
            [*COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        ) as sending:
            assert sending.stdin is not None
            sending.stdin.write(b"1\n2\n")
            sending.stdin.flush()
            deadline = time.monotonic() + 20
            while len(serving.received) < 2 and time.monotonic() < deadline:
                os.sched_yield()
            sending.send_signal(signal.SIGINT)
            out, err = sending.communicate(timeout=20)
    assert sending.returncode == 1
    assert b"interrupted" in err
    assert out.startswith(b"sent ")
    assert b"Traceback" not in err


def test_progress_is_for_terminals_alone(cli: CLI) -> None:
    (cli.folder / "lines.jsonl").write_text("1\n" * 50)
    with Serving(*cli.trust, "--port", "0") as serving:
        done = call("send", serving.url, *cli.signer, "--type", "a", "--lines", "lines.jsonl")
        serving.stop()
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_in_good_order_on_a_signal(cli: CLI, number: int) -> None:
    with Serving(*cli.trust, "--port", "0") as serving:
        serving.stop(number)
    assert serving.code == 0


def test_serve_appends_to_a_file(cli: CLI) -> None:
    out = cli.folder / "messages.jsonl"
    out.write_text('{"data":0}\n')
    with Serving(*cli.trust, "--port", "0", "--out", str(out)) as serving:
        cli("send", serving.url, *cli.signer, "--type", "a", "--data-json", "1")
        serving.stop()
    assert serving.received == []
    assert [json.loads(line)["data"] for line in out.read_text().splitlines()] == [0, 1]


def test_serve_remembers_tokens_over_a_restart_with_a_replay_file(cli: CLI) -> None:
    words = [*cli.trust, "--port", "0", "--audience", "https://shop.example/", "--replay", str(cli.folder / "seen.db")]
    headers = {"content-type": "application/vnd.signedmsg+jwt"}
    with Serving(*words) as serving:
        sign = ["--audience", "https://shop.example/", "--type", "a", "--data-json", "1"]
        token = cli("sign", *cli.signer, *sign).out.strip()
        assert httpx.post(serving.url, content=token, headers=headers, trust_env=False).status_code == 204
        serving.stop()
    with Serving(*words) as serving:
        assert httpx.post(serving.url, content=token, headers=headers, trust_env=False).status_code == 409
        refusal = serving.wait_for("refused")
        serving.stop()
    assert (refusal["code"], refusal["reason"]) == ("replayed", "jti: this token was accepted before")


def test_serve_tells_its_reason_and_the_sender_only_the_public_code(cli: CLI) -> None:
    with Serving(*cli.trust, "--port", "0") as serving:
        other = cli.folder / "other.pem"
        SigningKey.generate().save(other)
        words = ["--issuer", ISSUER, "--key", str(other), "--type", "a", "--data-json", "1", "--retries", "0"]
        said = cli("send", serving.url, *words)
        refusal = serving.wait_for("refused")
        serving.stop()
    assert refusal == {
        "event": "refused",
        "status": 401,
        "answered": "verification_failed",
        "code": "unknown_key",
        "reason": "the issuer has no key of that kid",
        "issuer": ISSUER,
        "proven": False,
    }
    assert "unknown_key" not in said.out + said.err


@pytest.mark.slow
def test_serve_takes_in_new_keys_while_it_runs(cli: CLI) -> None:
    newer = cli.folder / "newer.pem"
    SigningKey.generate("Ed25519").save(newer)
    with Serving(*cli.trust, "--port", "0") as serving:
        cli("jwks", str(cli.key), str(newer), "--issuer", ISSUER, "--out", str(cli.keys))
        words = ["--issuer", ISSUER, "--key", str(newer), "--type", "a", "--data-json", "1"]
        said = cli("send", serving.url, *words, "--retries", "6")
        serving.stop()
    assert said.code == 0, said.err


def test_serve_in_words_says_that_it_is_a_development_server(cli: CLI) -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", *cli.trust, "--port", "0"], stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        while "ready" not in said:
            said += process.stderr.readline()
        process.terminate()
        said += process.stderr.read()
    assert "a development server, not for production" in said
    assert f"trusted   {ISSUER}, who may send *" in said
    assert said.endswith("stopped: accepted 0, refused 0\n")


def test_serve_ends_and_takes_no_message_when_nobody_reads_its_output(cli: CLI) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with Serving(*cli.trust, "--port", "0", stdout=writing) as serving:
        os.close(writing)
        words = ["--type", "a", "--data-json", "1", "--retries", "0"]
        said = cli("send", serving.url, *cli.signer, *words)
        refusal = serving.wait_for("refused")
        stopped = serving.wait_for("stopped")
    assert (said.code, refusal["status"], stopped["accepted"]) == (1, 500, 0)


def test_port_in_use_is_one_line_a_hint_and_exit_code_2(cli: CLI) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = cli("serve", *cli.trust, "--port", str(port))
    assert said.code == 2
    problem, hint = said.err.splitlines()[-2:]
    assert problem == f"signedmsg: port {port} on 127.0.0.1 is in use"
    assert "--port 0" in hint


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--port", "70000"], "--port: expected 0 to 65535"),
        (["--port", "0", "--host", "nowhere.invalid"], "cannot listen on nowhere.invalid"),
        (["--port", "0", "--audience", "https://shop.example/?a=1"], "without query"),
        (["--port", "0", "--out", "nowhere/out.jsonl"], "--out nowhere/out.jsonl: No such file"),
        (["--port", "0", "--replay", "keys.json"], "--replay keys.json"),
        (["--port", "0", "--allow", ""], "allow: expected"),
    ],
)
def test_wrong_use_of_serve_is_one_line_and_exit_code_2(cli: CLI, words: list[str], says: str) -> None:
    said = cli("serve", *cli.trust, *words)
    assert said.code == 2
    assert says in next(line for line in said.err.splitlines() if line.startswith("signedmsg: "))


def test_payloads_of_the_test_are_as_various_as_they_should_be(tmp_path: Path) -> None:
    lines = payloads.generated(3000)
    sizes = [len(json.dumps(line["body"], ensure_ascii=False).encode()) for line in lines]
    assert len({json.dumps(line["body"]) for line in lines}) > 2000
    assert 20_000 < max(sizes) <= 27_700
    payloads.write(tmp_path / "a.gz", lines)
    assert payloads.read(tmp_path / "a.gz") == lines
