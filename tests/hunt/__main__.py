"""The long form of the hunt: ``python -m tests.hunt --sessions 2000``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .oracle import run
from .sessions import installed, random_session


def main() -> int:
    """Run many sessions; exit 1 if something is wrong with one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    there, used, wrong = installed(), Counter[str](), 0

    def hunt(seed: int) -> tuple[str, str | None, tuple[str, ...]]:
        with tempfile.TemporaryDirectory(prefix="hunt-") as folder:
            session = random_session(seed, there)
            return session.title, run(session, Path(folder)), (*session.plugins, f"company {session.company}")

    with ThreadPoolExecutor(options.jobs) as pool:
        seeds = range(options.first, options.first + options.sessions)
        for done, (title, found, what) in enumerate(pool.map(hunt, seeds), start=1):
            used.update(what)
            if found is not None:
                wrong += 1
                print(f"{found}\n    {title}", flush=True)
            if done % 100 == 0:
                print(f"{done} runs, {wrong} wrong", flush=True)
    print(f"{options.sessions} runs, {wrong} wrong")
    print(", ".join(f"{name} {count}" for name, count in sorted(used.items())))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
