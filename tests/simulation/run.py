"""The long run: ``python -m tests.simulation.run --seeds N --from M`` prints the failing seeds.

Exit code 1 when any failed. A failing seed replays with ``--seeds 1 --from SEED``.
"""

import argparse
import logging
import sys
import time

from tests.simulation.world import simulate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    given = parser.parse_args()
    # The worlds are full of faults; their log lines would bury the seeds.
    logging.disable(logging.CRITICAL)
    failed = 0
    started = time.process_time()
    for seed in range(given.first, given.first + given.seeds):
        try:
            problems = simulate(seed)
        except Exception as error:  # noqa: BLE001 - a world that breaks is a finding too
            problems = [f"{type(error).__name__}: {error}"]
        if problems:
            failed += 1
            print(f"seed {seed}: {len(problems)} problems; {'; '.join(problems[:5])}", flush=True)
    spent = time.process_time() - started
    print(
        f"{given.seeds} seeds from {given.first}: {failed} failed, "
        f"{1000 * spent / max(1, given.seeds):.1f} ms CPU each"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
