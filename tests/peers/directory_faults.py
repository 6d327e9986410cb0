"""Try what goes wrong with key directories on signedmsg, PyJWT and jose, and print what each client did.

    python -m tests.peers.directory_faults [--json] [--only CASE] [--node-modules FOLDER]

jose takes part where Node is installed and `--node-modules` (or SIGNEDMSG_TEST_NODE_MODULES)
names a folder with `jose` in it. The whole takes some five minutes, most of it waiting for clients that hang.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.peers import cases_documents as documents
from tests.peers import cases_load as load
from tests.peers.subjects import PyJWT, Signedmsg, jose_at
from tests.peers.trial import Result, Trial

if TYPE_CHECKING:
    from collections.abc import Callable


class Case(NamedTuple):
    name: str
    title: str
    wanted: str
    run: Callable[[Trial], Result]
    # It takes many seconds, because a client waits.
    slow: bool = False
    # PyJWT waits for 30 s by default; what a case counts does not depend on it.
    options: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - never changed


CASES = (
    Case("random-warm", "200 tokens with random kids, warm", "≤ 1 fetch", load.random_kids_warm),
    Case("random-failing", "200 random kids in 60 s, directory answers 500", "≤ 6 fetches",
         load.random_kids_while_it_fails),
    Case("random-hanging", "20 random kids in 60 s, directory hangs", "≤ 6 fetches",
         load.random_kids_while_it_hangs, slow=True, options={"PyJWT": {"timeout": 2}}),
    Case("known-during-refetch", "known kid while a refetch hangs for 2 s", "found, < 1 ms more",
         load.known_kid_while_a_refetch_hangs),
    Case("cold-50", "50 concurrent cold look-ups", "1 fetch, all found", load.fifty_cold_look_ups),
    Case("down-hour", "directory down for an hour, known kid each minute", "always found", load.down_for_an_hour),
    Case("down-day", "directory down for a day", "unavailable", load.down_for_a_day),
    Case("rotation-in-flood", "new key while a forged kid comes each second", "within 30 s",
         load.rotation_during_a_flood),
    Case("removed", "key removed from the document", "refused within 300 s", documents.removed),
    Case("revoked", "key revoked, after a refresh", "unknown", documents.revoked),
    Case("empty", "`{\"keys\": []}`, after a refresh", "unknown", documents.emptied),
    Case("slow-head", "head sent octet by octet", "unavailable in about 5 s", load.slow_head, slow=True),
    Case("slow-body", "body sent octet by octet", "unavailable in about 5 s", load.slow_body, slow=True),
    Case("huge", "body of 300 MiB", "unavailable, memory flat", documents.big_body),
    Case("gzip", "gzip that unpacks to 300 MiB", "unavailable, memory flat", documents.big_gzip),
    Case("redirect", "redirect", "unavailable, not followed", documents.redirected),
    Case("500", "500 past the set's lifetime, known kid", "found", documents.server_error),
    Case("html", "HTML page past the set's lifetime, known kid", "found", documents.html_page),
    Case("truncated", "truncated JSON past the set's lifetime, known kid", "found", documents.half_a_document),
    Case("cut-off", "body cut off past the set's lifetime, known kid", "found", documents.half_a_body),
    Case("retry-after", "429 with `Retry-After: 120`", "1 fetch", load.retry_after),
    Case("duplicate", "two keys of one kid", "unknown", documents.duplicate_kid),
    Case("private", "one key with private members, another without", "leaked key not used", documents.private_member),
    Case("replaced", "key replaced under its kid, after a refresh", "not the old key",
         documents.replaced_under_its_kid),
    Case("rollback", "`sequence` goes down and a removed key returns", "unknown", documents.rolled_back),
    Case("etag", "`ETag`: is `If-None-Match` sent?", "sent", documents.entity_tag),
    Case("max-age", "`Cache-Control: max-age=60`", "read again within 60 s", documents.max_age),
    Case("tls-expired", "TLS certificate expired", "unavailable", documents.expired_certificate),
    Case("tls-host", "TLS certificate of another host", "unavailable", documents.wrong_host),
)  # fmt: skip


def attempt(case: Case, kind: type[Any]) -> Result:
    """Try one case on one client; a client that breaks the case is a result as well."""
    try:
        with Trial(kind, **case.options.get(kind.name, {})) as trial:
            return case.run(trial)
    except Exception as error:  # noqa: BLE001 - one broken case must not hide the others
        return Result(f"broke: {type(error).__name__}: {error}"[:100], False)


def clients(modules: str | None) -> list[type[Any]]:
    """signedmsg comes first, since the greatest size of a process never falls again."""
    jose = None if modules is None else jose_at(Path(modules))
    return [Signedmsg, PyJWT, *([] if jose is None else [jose])]


def measure(cases: list[Case], kinds: list[type[Any]], told: Callable[[str], None]) -> dict[str, Any]:
    """Return the whole table as one JSON object."""
    rows: list[dict[str, Any]] = []
    for case in cases:
        told(case.name)
        found = {kind.name: attempt(case, kind)._asdict() for kind in kinds}
        rows.append({"case": case.name, "title": case.title, "wanted": case.wanted, "clients": found})
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": {kind.name: kind.version for kind in kinds},
        "cases": rows,
    }


def as_markdown(table: dict[str, Any]) -> str:
    """Return the table as the documentation shows it; ✓ marks what the case wants."""
    names = list(table["versions"])
    titles = [f"{name} {table['versions'][name]}" for name in names]
    lines = ["| " + " | ".join(["case", "wanted", *titles]) + " |", "|" + "---|" * (2 + len(names))]
    for row in table["cases"]:
        cells = [
            f"{row['clients'][name]['text']} {'✓' if row['clients'][name]['good'] else '✗'}".replace("|", "\\|")
            for name in names
        ]
        lines.append("| " + " | ".join([row["title"], row["wanted"], *cells]) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.peers.directory_faults", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], help="this case alone")
    parser.add_argument("--quick", action="store_true", help="leave out the cases that take many seconds")
    parser.add_argument("--node-modules", default=os.environ.get("SIGNEDMSG_TEST_NODE_MODULES"))
    options = parser.parse_args(arguments)
    cases = [case for case in CASES if (not options.only or case.name in options.only)]
    if options.quick:
        cases = [case for case in cases if not case.slow]
    table = measure(cases, clients(options.node_modules), lambda name: print(name, file=sys.stderr))
    print(json.dumps(table, indent=1) if options.json else as_markdown(table))
    return 0 if all(row["clients"]["signedmsg"]["good"] for row in table["cases"]) else 1


if __name__ == "__main__":
    sys.exit(main())
