"""Run a few callers of a flow through every possible order of their suspensions.

No event loop, no sleeping: a port of a test awaits `step()` wherever the real one could
suspend, and the scheduler here decides who goes on. Each schedule is run from the
beginning, along a prefix of choices, until all prefixes are used up.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator


class Cancelled(BaseException):
    """Thrown into a caller to stand for its cancellation."""


@types.coroutine
def step() -> Generator[None, None, None]:
    """Suspend once: here any other caller may run."""
    yield None


class Lock:
    """A lock whose waiters are suspended until it is free."""

    def __init__(self) -> None:
        self.held = False

    async def __aenter__(self) -> None:
        await step()
        await self._acquire()

    @types.coroutine
    def _acquire(self) -> Generator[Lock | None, None, None]:
        while self.held:
            yield self
        self.held = True

    async def __aexit__(self, *_: object) -> None:
        self.held = False


@dataclass
class Caller:
    """One caller and how far it came."""

    work: Coroutine[Any, Any, object]
    waits_for: Lock | None = None
    done: bool = False
    result: object = None

    @property
    def runnable(self) -> bool:
        return not self.done and (self.waits_for is None or not self.waits_for.held)

    def go(self, cancel: bool = False) -> None:
        try:
            self.waits_for = self.work.throw(Cancelled()) if cancel else self.work.send(None)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except (Exception, Cancelled) as error:  # noqa: BLE001 - the end of a caller, whatever it is
            self.done, self.result = True, error


@dataclass
class World:
    """Callers that share some ports, and what must hold when all have come to an end."""

    callers: list[Coroutine[Any, Any, object]]
    check: Callable[[list[object]], None]
    cancel: int | None = None
    """The caller that is cancelled at some point, if one is."""
    trace: list[int] = field(default_factory=list)


def explore(make: Callable[[], World], *, preemptions: int | None = None) -> int:
    """Run every schedule and check each end; return how many there were.

    With `preemptions`, only those in which a caller that could go on is interrupted at
    most that often.
    """
    schedules = 0
    prefixes: list[list[int]] = [[]]
    while prefixes:
        prefix = prefixes.pop()
        prefixes += _run(make(), prefix, preemptions)
        schedules += 1
    return schedules


def _run(world: World, prefix: list[int], preemptions: int | None) -> list[list[int]]:
    """Run one schedule; return the prefixes that branch off it beyond `prefix`."""
    callers = [Caller(work) for work in world.callers]
    branches: list[list[int]] = []
    cancelled = False
    last: int | None = None
    spent = 0
    while not all(caller.done for caller in callers):
        options = [number for number, caller in enumerate(callers) if caller.runnable]
        if world.cancel is not None and not cancelled and not callers[world.cancel].done:
            options.append(-1)
        assert options, f"deadlock after {world.trace}"
        if preemptions is not None and spent >= preemptions and last in options:
            options = [last]
        elif last in options:
            # The caller that ran goes first, so that the first schedule is the sequential one.
            options = [last, *(number for number in options if number != last)]
        depth = len(world.trace)
        choice = prefix[depth] if depth < len(prefix) else options[0]
        assert choice in options, "a world must behave the same each time it is made"
        if depth >= len(prefix):
            branches += [[*world.trace, other] for other in options[1:]]
        if last in options and choice != last:
            spent += 1
        world.trace.append(choice)
        if choice == -1:
            assert world.cancel is not None
            cancelled = True
            callers[world.cancel].go(cancel=True)
        else:
            callers[choice].go()
            last = choice
    world.check([caller.result for caller in callers])
    return branches
