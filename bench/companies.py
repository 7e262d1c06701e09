"""What one loop costs over many legal entities in all ERPs at once, and when nothing changed.

The world is the generator's: so many companies, spread evenly over every ERP that runs here (Tryton
only beside a PostgreSQL), each with few customers and items, as a group of many small subsidiaries
has them; every company with a bank account of its own. Loops and figures are those of
``bench.loop``: the full loop must verify all it writes, every loop after it must send nothing.

Run: ``python -m bench.companies [--companies 300] [--runs 1]``.
"""

import argparse

from bench.common import Figure, write_figures
from bench.loop import LIMIT_RSS_MB, Costs, measure_loops

QUICK_ARGUMENTS = ("--companies", "30", "--runs", "1")

COMPANIES = 300
_CUSTOMERS_EACH, _OPEN_EACH, _PAID_EACH = 2, 8, 6


def measure(companies: int, runs: int) -> Costs:
    """The loops over so many companies; raises as ``bench.loop.measure_loops``."""
    seeding = {
        "companies": companies,
        "customers": companies * _CUSTOMERS_EACH,
        "open_items": companies * _OPEN_EACH,
        "closed_items": companies * _PAID_EACH,
    }
    return measure_loops(seeding, runs)


def figures_of(companies: int, costs: Costs) -> list[Figure]:
    """Seconds, memory and writes of the full loop, each beside the loop without any change."""
    full, again = costs.full, costs.unchanged
    after = {"after full": costs.following.cpu_s, "no change": again.cpu_s}
    return [
        Figure(f"companies.cpu_s.{companies}", full.cpu_s, "s", after),
        Figure(f"companies.wall_s.{companies}", full.wall_s, "s", {"no change": again.wall_s}),
        Figure(f"companies.peak_rss_mb.{companies}", full.rss_mb, "MB", {"limit": LIMIT_RSS_MB}),
        Figure(f"companies.writes.{companies}", full.writes, "writes", {"no change": again.writes}),
    ]


def main() -> None:
    """Measure and write ``bench/companies.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=COMPANIES)
    parser.add_argument("--runs", type=int, default=1)
    chosen = parser.parse_args()
    costs = measure(chosen.companies, chosen.runs)
    write_figures("companies", figures_of(chosen.companies, costs))


if __name__ == "__main__":
    main()
