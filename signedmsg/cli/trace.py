"""The steps of a verification one by one, and on past one that failed where that still tells something.

What decides here are the receiver's own functions in their own order; only where one of them
refuses a genuine token for its time, its audience or a part of its request, that is noted and
forgiven, to see what else is wrong. Nothing is recorded and nothing is handed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from signedmsg._core.facts import Facts
from signedmsg._core.policy import ENVELOPE_TYP
from signedmsg._core.proof import check_algorithm, check_key_times, parse_kind, prove
from signedmsg._jose import jws
from signedmsg.errors import SignedMessageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from signedmsg._core.call_policy import CallPolicy
    from signedmsg._core.message import Parsed
    from signedmsg._core.policy import ReceivePolicy, Trust
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.keys.directory import KeyDirectory

    T = TypeVar("T")

Verdict = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step and what came of it."""

    number: str
    name: str
    verdict: Verdict
    code: str | None = None
    explanation: str | None = None


class Directory:
    """A key directory as explanations ask it."""

    def __init__(self, directory: KeyDirectory) -> None:
        self.find = directory.find
        self.trusted = directory.trusted
        self.known_keys = directory.snapshot


@dataclass(slots=True)
class Trace:
    """Collects the steps, and what is known so far."""

    policy: ReceivePolicy | CallPolicy
    directory: Directory
    now: float
    steps: list[Step] = field(default_factory=list[Step])
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        self.facts = Facts(policy=self.policy, knows=self.directory, now=self.now)

    @property
    def failures(self) -> list[Step]:
        """The steps that refuse."""
        return [step for step in self.steps if step.verdict == "failed"]

    def passed(self, number: str, name: str, note: str | None = None) -> None:
        """Note a step that holds."""
        if not any(step.number == number and step.verdict == "failed" for step in self.steps):
            self.steps.append(Step(number, name, "passed", None, note))

    def failed(self, number: str, name: str, error: SignedMessageError, explanation: str | None = None) -> None:
        """Note a step that refuses, and why."""
        error.explained_by(replace(self.facts))
        self.steps.append(Step(number, name, "failed", error.code, explanation or error.explanation))

    def skipped(self, number: str, name: str, why: str) -> None:
        """Note a step that is not made."""
        self.steps.append(Step(number, name, "not checked", None, why))

    def check(self, number: str, name: str, make: Callable[[], T]) -> T | None:
        """Make a step; None, and the failure noted, when it refuses."""
        try:
            made = make()
        except SignedMessageError as error:
            self.failed(number, name, error)
            return None
        self.passed(number, name)
        return made


@dataclass(frozen=True, slots=True)
class Proven:
    """A token whose signature holds."""

    parsed: Parsed
    trust: Trust
    key: PublicKey
    claims: dict[str, JSONValue]


def prove_token(trace: Trace, token: object, first: str = "2") -> Proven | None:
    """Make the steps up to the signature; none of them is forgiven, since nothing behind them would be proven."""
    trace.facts.token = token
    policy = trace.policy
    if trace.check(first, "shape, size and header", lambda: jws.parse(token, max_size=policy.max_size)) is None:
        return None
    kind = "a message" if policy.typ == ENVELOPE_TYP else "a call"
    parsed = trace.check("3, 4", f"it is {kind}, and names its issuer", lambda: _parsed(trace, token))
    if parsed is None:
        return None
    found = _find(trace, parsed)
    if found is None:
        return None
    trust, key = found

    def fits() -> bool:
        check_algorithm(parsed, key, trust)
        check_key_times(key, policy.leeway, trace.now)
        return True

    if not trace.check("7", "the key fits, and is valid now", fits):
        return None
    claims = trace.check("8", "the signature holds", lambda: prove(parsed, key, trust, policy.leeway, trace.now))
    if claims is None:
        return None
    trace.facts.proven = True
    return Proven(parsed, trust, key, claims)


def _find(trace: Trace, parsed: Parsed) -> tuple[Trust, PublicKey] | None:
    issuer, kid = parsed.issuer, parsed.compact.header.kid
    trust = trace.check("5", "its issuer is trusted", lambda: trace.directory.trusted(issuer))
    if trust is None:
        return None
    key = trace.check("6", "the issuer has its key", lambda: trace.directory.find(issuer, kid))
    return None if key is None else (trust, key)


def _parsed(trace: Trace, token: object) -> Parsed:
    policy = trace.policy
    trace.facts.parsed = parse_kind(token, policy.typ, policy.max_size)
    return trace.facts.parsed
