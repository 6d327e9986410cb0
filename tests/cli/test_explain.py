"""explain: every step of a verification, passed or failed, and why; what fails is what a receiver refuses for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from signedmsg import KeyDirectory, SigningKey
from signedmsg._core.call_policy import call_policy
from signedmsg._core.policy import ReceivePolicy
from signedmsg.cli.trace import Directory, Trace
from signedmsg.cli.trace_call import Arrived, trace_call
from signedmsg.cli.trace_message import trace_message
from signedmsg.httpx import SignedAuth
from tests.cli.commands import AUDIENCE, ISSUER
from tests.conformance.test_bound_requests import ROWS as CALL_ROWS
from tests.conformance.test_refusals import ROWS as MESSAGE_ROWS

if TYPE_CHECKING:
    from tests.cli.commands import CLI, Said
    from tests.conformance.calls import CallRow
    from tests.conformance.table import Row

SHOP: Final = "https://shop.example"
BODY: Final = b'{"amount": 42, "to": "x"}'
# What only the model, the router or the replay cache decides.
LATER: Final = {"payload", "unknown_type", "replayed", "store_unavailable", "quota", "unsupported_media_type"}


def explain(cli: CLI, written: str | bytes, *more: str, audience: str = AUDIENCE) -> Said:
    file = cli.folder / "it"
    file.write_bytes(written if isinstance(written, bytes) else written.encode())
    return cli("explain", file, "--audience", audience, *cli.trust, *more)


def captured(cli: CLI, url: str = f"{SHOP}/v1/transfers?a=1&b=2", content: bytes = BODY) -> httpx.Request:
    """A signed request as it went out."""
    sent: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(204)

    auth = SignedAuth(ISSUER, SigningKey.load(cli.key))
    with httpx.Client(auth=auth, transport=httpx.MockTransport(keep)) as client:
        client.post(url, content=content, headers={"content-type": "application/json"})
    return sent[0]


def raw(request: httpx.Request, line: str | None = None, body: bytes | None = None, end: str = "\r\n") -> bytes:
    """The request as a file shows it."""
    head = [line or f"{request.method} {request.url.raw_path.decode()} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in request.headers.items() if name != "content-length"]
    return (end.join(head) + end + end).encode() + (request.content if body is None else body)


def failed(said: Said) -> list[tuple[str, str]]:
    return [(step["step"], step["code"]) for step in said.json["steps"] if step["verdict"] == "failed"]


def test_good_token_passes_every_step(cli: CLI) -> None:
    said = explain(cli, cli.sign())
    assert said.code == 0, said.out
    assert "FAILED" not in said.out
    assert [line.split()[0].rstrip(",") for line in said.out.splitlines()] == [
        *("1", "3", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14")
    ]


def test_good_call_passes_every_step(cli: CLI) -> None:
    said = explain(cli, raw(captured(cli)), audience=SHOP)
    assert said.code == 0, said.out
    assert "  14  passed  the body is the one that was signed" in said.out


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_request_in_a_file_may_have_either_line_break(cli: CLI, end: str) -> None:
    assert explain(cli, raw(captured(cli), end=end), audience=SHOP).code == 0


def test_everything_that_is_wrong_with_a_call_is_told_at_once(cli: CLI) -> None:
    line = "PUT /api/v1/transfers?b=2&a=1 HTTP/1.1"
    said = explain(
        cli, raw(captured(cli), line, body=b'{"amount":42,"to":"x"}'), "--json", "--allow", "x", audience=SHOP
    )
    assert failed(said) == [("12", "binding")] * 3 + [("13", "not_allowed"), ("14", "binding")]
    assert "in another order" in said.out
    assert "puts '/api' before it" in said.out
    assert "the same JSON, written anew" in said.out


def test_old_token_is_told_to_be_old_and_what_else_is_wrong_with_it(cli: CLI) -> None:
    token = cli.sign()
    said = explain(cli, token, "--at", "2040-01-01T00:00:00Z", "--json", "--allow", "other", audience=f"{AUDIENCE}/")
    assert failed(said) == [("10", "expired"), ("11", "audience"), ("12", "not_allowed"), ("12", "too_late")]


def test_token_that_came_when_it_was_signed_passes_at_that_time(cli: CLI) -> None:
    token = cli.sign("{}")
    inspected = cli.folder / "token.jwt"
    inspected.write_text(token, "utf-8")
    issued = cli("inspect", inspected, "--json").json["claims"]["iat"]
    assert explain(cli, token, "--at", str(issued)).code == 0


def test_token_of_a_call_with_its_parts_on_the_command_line(cli: CLI) -> None:
    request = captured(cli)
    (cli.folder / "body.json").write_bytes(BODY)
    token = request.headers["authorization"].removeprefix("Bearer ")
    words = ["--method", "POST", "--header", "Content-Type: application/json", "--body", "body.json"]
    assert explain(cli, token, *words, "--url", str(request.url), audience=SHOP).code == 0
    assert explain(cli, token, *words, "--url", "/v1/transfers", audience=SHOP).code == 1


def test_message_in_a_request_is_told_apart_from_a_call(cli: CLI) -> None:
    head = "POST /inbox HTTP/1.1\nContent-Type: application/vnd.signedmsg+jwt\n\n"
    assert explain(cli, head + cli.sign() + "\n").code == 0


def test_forged_token_ends_at_the_signature(cli: CLI) -> None:
    head, _, signature = cli.sign().split(".")
    forged = f"{head}.{cli.sign('{}').split('.')[1]}.{signature}"
    said = explain(cli, forged)
    assert said.out.splitlines()[-2].startswith("   8  FAILED  the signature holds (invalid_signature)")
    assert "altered after it was signed" in said.out
    assert "cannot be told" in said.err


def test_key_that_is_over_fails_before_its_signature_is_looked_at(cli: CLI) -> None:
    token = cli.sign()
    document = json.loads(cli.keys.read_text("utf-8"))
    document["keys"][0]["exp"] = 1_600_000_000
    cli.keys.write_text(json.dumps(document), "utf-8")
    said = explain(cli, token, "--json")
    assert failed(said) == [("7", "key_not_valid")]
    assert "(ended " in said.out


def test_neither_token_nor_payload_is_shown(cli: CLI) -> None:
    token = cli.sign('{"password":"hunter2"}')
    for said in (explain(cli, token), explain(cli, token, audience=SHOP), explain(cli, token[:-4] + "AAAA")):
        assert "hunter2" not in said.out + said.err
        assert not [piece for piece in token.split(".") if piece in said.out + said.err]


WRONG: Final = [
    (["--method", "GET"], "--url"),
    (["--url", "/x", "--header", "nonsense"], "no colon"),
    (["--url", "/x", "--header", "Authorization: Bearer x"], "other users"),
    (["--url", "ftp://x"], "--url"),
    (["--at", "yesterday"], "--at"),
    (["--url", "/x", "--scheme", "a b"], "scheme"),
]


@pytest.mark.parametrize(("more", "words"), WRONG, ids=[" ".join(more) for more, _ in WRONG])
def test_wrong_usage_is_told(cli: CLI, more: list[str], words: str) -> None:
    said = explain(cli, cli.sign(), *more, audience=SHOP)
    assert said.code == 2
    assert words in said.err


def test_token_on_the_command_line_is_refused(cli: CLI) -> None:
    said = cli("explain", cli.sign(), "--audience", AUDIENCE, *cli.trust)
    assert said.code == 2
    assert "not from the command line" in said.err


def test_chunked_body_is_refused_and_a_short_one_is_noted(cli: CLI) -> None:
    request = raw(captured(cli))
    chunked = request.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1)
    short = request.replace(b"\r\n\r\n", b"\r\nContent-Length: 999\r\n\r\n", 1)
    assert explain(cli, chunked, audience=SHOP).code == 2
    assert "Content-Length says 999 bytes" in explain(cli, short, audience=SHOP).err


def test_line_break_that_an_editor_put_behind_the_body_is_no_part_of_it(cli: CLI) -> None:
    request = raw(captured(cli)).replace(b"\r\n\r\n", f"\r\nContent-Length: {len(BODY)}\r\n\r\n".encode(), 1)
    assert explain(cli, request + b"\n", audience=SHOP).code == 0


def first_code(trace: Trace) -> str:
    return trace.failures[0].code or "" if trace.failures else ""


def traced_message(row: Row) -> str:
    setup = row.setup
    policy = ReceivePolicy(setup.audience, **setup.options)
    trace = Trace(policy, Directory(setup.directory_for(KeyDirectory)), setup.now)
    trace_message(trace, policy, row.token)
    return first_code(trace)


def traced_call(row: CallRow) -> str:
    setup, one = row.setup, row.arrival
    options: dict[str, Any] = {"external_url": None, "scheme": "Bearer", "max_body": 1_048_576, **setup.options}
    calls = [options.pop(name) for name in ("external_url", "scheme", "max_body")]
    policy = call_policy(ReceivePolicy(setup.audience, **options), *calls)
    trace = Trace(policy, Directory(setup.directory_for(KeyDirectory)), setup.now)
    trace_call(trace, policy, Arrived(one.method, one.target, one.all_headers, one.body))
    return first_code(trace)


def test_step_that_fails_first_for_a_message_is_the_one_for_which_a_receiver_refuses_it() -> None:
    rows = [row for row in MESSAGE_ROWS if row.code not in LATER and row.setup.directory is None]
    assert len(rows) > 150
    assert [(row.id, found) for row in rows if (found := traced_message(row)) != row.code] == []


def test_step_that_fails_first_for_a_call_is_the_one_for_which_a_receiver_refuses_it() -> None:
    rows = [row for row in CALL_ROWS if row.code not in LATER and row.setup.directory is None]
    assert len(rows) > 150
    assert [(row.id, found) for row in rows if (found := traced_call(row)) != row.code] == []


def test_json_names_the_steps(cli: CLI) -> None:
    said = explain(cli, cli.sign(), "--json").json
    assert said["refused"] is False
    assert {step["verdict"] for step in said["steps"]} == {"passed", "not checked"}
