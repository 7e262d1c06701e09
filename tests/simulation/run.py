"""The long run: ``python -m tests.simulation.run --seeds N --from M`` prints the failing seeds.

After the worlds on virtual time the real thing is killed over sockets (``kills.py``): the sender
``--kills`` times, a whole sync ``--sync-kills`` times; 0 leaves them out. Everything random comes
from the printed seeds: a failing world replays with ``--seeds 1 --from SEED --kills 0``.
Exit code 1 when anything failed.
"""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.simulation.kills import kill_senders, kill_syncs
from tests.simulation.processes import Outcome
from tests.simulation.seeds import simulate

_SECONDS_BETWEEN_LINES = 60


def _lived(seed: int) -> Outcome:
    """A world; one that breaks is a finding too."""
    try:
        return simulate(seed)
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed is told
        return Outcome([f"{type(error).__name__}: {error}"], Counter())


def worlds(first: int, count: int) -> int:
    """Live worlds through and tell what went wrong; how many failed."""
    # The worlds are full of faults; their log lines would bury the seeds.
    logging.disable(logging.CRITICAL)
    failed, struck = 0, Counter[str]()
    started, last = time.process_time(), time.monotonic()
    for seed in range(first, first + count):
        outcome = _lived(seed)
        struck += outcome.struck
        if outcome.problems:
            failed += 1
            told = "; ".join(outcome.problems[:5])
            print(f"seed {seed}: {len(outcome.problems)} problems; {told}", flush=True)
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{seed - first + 1} of {count} seeds, {failed} failed", flush=True)
    logging.disable(logging.NOTSET)
    spent = time.process_time() - started
    print("struck: " + ", ".join(f"{name} {times}" for name, times in sorted(struck.items())))
    print(
        f"{count} seeds from {first}: {failed} failed, "
        f"{1000 * spent / max(1, count):.1f} ms CPU each",
        flush=True,
    )
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--sync-kills", type=int, default=3)
    given = parser.parse_args()
    failed = worlds(given.first, given.seeds) if given.seeds else 0
    for kill, times in ((kill_senders, given.kills), (kill_syncs, given.sync_kills)):
        if times:
            failed += len(kill(given.first, times))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
