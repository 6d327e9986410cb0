"""All stores in one run, one after the other: `python -m tests.bench.stores`."""

from __future__ import annotations

import subprocess
import sys

MODULES = ("replay_cache", "stores_sqlite", "stores_redis", "stores_postgres")

if __name__ == "__main__":
    for module in MODULES:
        print(f"== {module}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.{module}"], check=True)
