"""What `import signedmsg` costs, each time in a new interpreter: the group `import`.

The package loads what a program asks it for, so what a sender and a receiver use is measured too.
Beside it what it cannot do without (the parts of `cryptography` that hold its algorithms, and
`pydantic_core`), and PyJWT. The CPU time of the process, from just before the import.
"""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Final

from tests.bench.measure import Figure, Method

CASE: Final = "import"
OURS: Final = "import signedmsg"
NEEDED: Final = "cryptography and pydantic_core"
PYJWT: Final = "import jwt"
SENDING: Final = "from signedmsg import Sender, SigningKey"
RECEIVING: Final = "from signedmsg import Receiver and what it is given"
STATEMENTS: Final = {
    OURS: "import signedmsg",
    SENDING: SENDING,
    RECEIVING: "from signedmsg import Issuer, KeyDirectory, MemoryReplayCache, Receiver, Router",
    NEEDED: "import pydantic_core\n"
    "from cryptography.hazmat.primitives import hashes, serialization\n"
    "from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa",
    PYJWT: "import jwt",
}
_SCRIPT: Final = "import time\nbefore = time.process_time_ns()\n{}\nprint(time.process_time_ns() - before)"


def figures_of(method: Method) -> dict[str, Figure]:
    dice = random.Random(method.seed)
    taken: dict[str, list[int]] = {name: [] for name in STATEMENTS}
    # The first round writes byte code and is not counted.
    for number in range(2 * method.rounds + 1):
        for name in dice.sample(list(STATEMENTS), len(STATEMENTS)):
            spent = _import(STATEMENTS[name])
            if number and spent is not None:
                taken[name].append(spent)
    return {name: _figure(sorted(rounds)) for name, rounds in taken.items() if rounds}


def _import(statement: str) -> int | None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(statement)], capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else None


def _figure(rounds: list[int]) -> Figure:
    return Figure(rounds[0], rounds[min(1, len(rounds) - 1)], rounds[len(rounds) // 2], 1)
