"""The inbox contracts find each of these mistakes: a case that no inbox can fail would prove nothing."""

from __future__ import annotations

import pytest

from signedmsg.errors import SignedMessageError
from signedmsg.testing import (
    BoundedInboxContract,
    InboxContract,
    ManualClock,
    QueuedInboxContract,
    QueuedTransactionsContract,
    TransactionalInboxContract,
)
from signedmsg.testing._inbox_cases import StateCases
from signedmsg.testing._lease_cases import BoundCases, LeaseCases
from signedmsg.testing._queue_cases import QueueCases
from signedmsg.testing._transaction_cases import QueuedTransactionCases, TransactionCases
from tests.stores.broken_inboxes import STATE_MISTAKES
from tests.stores.broken_queues import QUEUE_MISTAKES
from tests.stores.broken_transactions import TRANSACTION_MISTAKES
from tests.stores.naive_inbox import NaiveInbox, Store, Words


class Contract(
    InboxContract, BoundedInboxContract, TransactionalInboxContract, QueuedInboxContract, QueuedTransactionsContract
):
    __test__ = False

    def __init__(self, kind: type[NaiveInbox]) -> None:
        self.kind, self.store = kind, Store()

    def make_inbox(self, *, clock: ManualClock, name: str) -> NaiveInbox:
        return self.kind(self.store, clock=clock, name=name)

    def make_bounded_inbox(self, *, clock: ManualClock, name: str, quota: int) -> NaiveInbox:
        return self.kind(self.store, clock=clock, name=name, quota=quota)

    def write(self, connection: Words, word: str) -> None:
        connection.append(word)

    def written(self) -> list[str]:
        return self.store.words


MISTAKES = [*STATE_MISTAKES, *QUEUE_MISTAKES, *TRANSACTION_MISTAKES]
CASES = [name for name in dir(Contract) if name.startswith("test_")]


@pytest.mark.parametrize(("kind", "case"), MISTAKES)
def test_contract_finds_the_mistake(kind: type[NaiveInbox], case: str) -> None:
    with pytest.raises((AssertionError, SignedMessageError)):
        getattr(Contract(kind), case)()


@pytest.mark.parametrize("case", CASES)
def test_correct_inbox_passes(case: str) -> None:
    assert getattr(Contract(NaiveInbox), case)() is None


def test_every_case_has_a_mistake_that_it_finds() -> None:
    assert {case for _, case in MISTAKES} == set(CASES)


def test_no_case_hides_one_of_another_contract() -> None:
    groups = (StateCases, LeaseCases, BoundCases, TransactionCases, QueueCases, QueuedTransactionCases)
    assert sum(name.startswith("test_") for group in groups for name in dir(group)) == len(CASES)
