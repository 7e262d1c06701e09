"""How right and how complete identity is: ``decisions_identity.*``, with wrong links listed.

Two sets. *Organisations*: 3,337 public records of 1,162 entities with true ids (left out where the
data are not present); it has no strong keys, so what counts is pairwise F1 of links and proposals,
tuned on the entities of one half and told for the other and for all. *Made-up*: CRM and ERP lists
with strong keys and their traps from seeds that nothing was tuned on; what counts is that no
automatic link is wrong. Each list runs in a process of its own; time and memory are that process's.

Run: ``python -m bench decisions_identity [--quick]``.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from bench.common import Figure, cpu_seconds, peak_rss_mb, run_child, write_figures
from bench.decisions_identity_world import make_world
from reverse_etl.decisions.identity import match_identities
from reverse_etl.decisions.identity_policy import IdentityPolicy
from reverse_etl.planning.policy import load_policy

QUICK_ARGUMENTS = ("--seeds", "2", "--large", "20000")

_ORGANISATIONS = "er/dedupe-examples/csv_example/csv_example_input_with_true_ids.csv"
_COLUMNS = {
    "Id": "id",
    "Site name": "name",
    "Address": "street",
    "Zip": "postal_code",
    "Phone": "phone",
    "Email Address": "email",
}
_HALVES = ("tuned_half", "other_half", "all")
#: Seeds 1 to 7 and 11 were looked at while the rules were written.
_FIRST_FRESH_SEED = 1001
_FAMILIES = 2000
#: Measured before (domain §C3): hand rules, Splink as it comes, both on all records.
_PEERS = {"hand_rules": 0.842, "splink_untuned": 0.865, "limit": 0.88}
_WRONG_LISTED = 10


def data_folder() -> Path:
    """Where the evaluation data lie; they are no part of the product."""
    return Path(os.environ.get("LEDGERLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))


def _policy() -> IdentityPolicy:
    return IdentityPolicy.of(load_policy().identity)


def _half(true_id: str) -> int:
    return int(hashlib.sha256(true_id.encode()).hexdigest(), 16) % 2


def organisations(part: str) -> pl.DataFrame:
    """Records of one half of the entities, or all, with their ``true_id``."""
    every = pl.read_csv(data_folder() / _ORGANISATIONS, infer_schema=False).select(
        *(pl.col(given).alias(name) for given, name in _COLUMNS.items()),
        pl.col("True Id").alias("true_id"),
    )
    if part == "all":
        return every
    halves = pl.Series([_half(one) for one in every["true_id"]])
    return every.filter(halves == _HALVES.index(part))


def _pairs_within(keys: Iterable[str]) -> int:
    counts = pl.Series(list(keys)).value_counts(name="count")["count"].cast(pl.Int64)
    return int((counts * (counts - 1) // 2).sum())


def _told(found: pl.DataFrame, left: dict[str, str], right: dict[str, str]) -> pl.DataFrame:
    """The answer with whether each pair is one customer."""
    return found.with_columns(
        is_right=pl.col("left_id").replace_strict(left, return_dtype=pl.String)
        == pl.col("right_id").replace_strict(right, return_dtype=pl.String)
    )


def _counted(told: pl.DataFrame, true_pairs: int) -> dict[str, float]:
    links = told.filter(pl.col("decision") == "link")
    correct, listed = int(told["is_right"].sum()), told.height
    precision, recall = correct / max(listed, 1), correct / max(true_pairs, 1)
    for row in links.filter(~pl.col("is_right")).head(_WRONG_LISTED).iter_rows():
        print("wrong link:", *row, file=sys.stderr)
    return {
        "links": links.height,
        "wrong_links": links.height - int(links["is_right"].sum()),
        "link_recall": int(links["is_right"].sum()) / max(true_pairs, 1),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
    }


def worker(kind: str, argument: str) -> dict[str, float]:
    """One list in this process: counts, seconds and memory."""
    if kind == "organisations":
        records = organisations(argument)
        left, right = records.drop("true_id"), None
        truth = dict(records.select("id", "true_id").iter_rows())
        true_pairs = _pairs_within(records["true_id"])
        other = truth
    else:
        families, seed = (int(part) for part in argument.split(":"))
        world = make_world(families, seed)
        left, right = world.crm, world.erp
        truth, other = world.account_of_crm, world.account_of_erp
        wanted = pl.Series(list(other.values())).value_counts(name="count")
        by_account = dict(wanted.iter_rows())
        true_pairs = sum(by_account.get(one, 0) for one in truth.values())
    cpu, wall = cpu_seconds(), time.perf_counter()
    found = match_identities(left, right, _policy())
    used = {"cpu_s": cpu_seconds() - cpu, "wall_s": time.perf_counter() - wall}
    counted = _counted(_told(found, truth, other), true_pairs)
    rows = left.height + (0 if right is None else right.height)
    return counted | used | {"rss_mb": peak_rss_mb(), "rows": rows, "true_pairs": true_pairs}


def measure_organisations() -> list[Figure]:
    """Pairwise F1 on both halves and on all; automatic links, of which the set allows none."""
    name = "decisions_identity.organisations"
    figures = []
    for part in _HALVES:
        found = run_child("bench.decisions_identity", "--worker", "organisations", part)
        beside = _PEERS if part == "all" else {"limit": _PEERS["limit"]}
        figures += [
            Figure(f"{name}.{part}.f1", found["f1"], "of pairs", beside),
            Figure(f"{name}.{part}.precision", found["precision"], "of listed pairs"),
            Figure(f"{name}.{part}.recall", found["recall"], "of true pairs"),
            Figure(
                f"{name}.{part}.links", found["links"], "pairs", {"wrong": found["wrong_links"]}
            ),
        ]
        if part == "all":
            figures.append(
                Figure(f"{name}.wall_s", found["wall_s"], "s", {"cpu_s": found["cpu_s"]})
            )
    return figures


def measure_worlds(seeds: int) -> list[Figure]:
    """Precision of automatic links over fresh seeds, summed."""
    runs = [
        run_child("bench.decisions_identity", "--worker", "world", f"{_FAMILIES}:{seed}")
        for seed in range(_FIRST_FRESH_SEED, _FIRST_FRESH_SEED + seeds)
    ]
    links, wrong = (sum(run[name] for run in runs) for name in ("links", "wrong_links"))
    true_pairs = sum(run["true_pairs"] for run in runs)
    linked = sum(run["link_recall"] * run["true_pairs"] for run in runs)
    found = sum(run["recall"] * run["true_pairs"] for run in runs)
    name = "decisions_identity.world"
    return [
        Figure(f"{name}.links", links, "pairs", {"least": 1000, "seeds": seeds}),
        Figure(f"{name}.wrong_links", wrong, "pairs"),
        Figure(f"{name}.link_precision", 1 - wrong / max(links, 1), "of links", {"limit": 0.999}),
        Figure(f"{name}.link_recall", linked / true_pairs, "of true pairs"),
        Figure(f"{name}.recall_with_proposals", found / true_pairs, "of true pairs"),
        Figure(f"{name}.wall_s", max(run["wall_s"] for run in runs), "s a seed"),
    ]


def measure_large(families: int) -> list[Figure]:
    """Two large lists: that the cost follows the records."""
    found = run_child("bench.decisions_identity", "--worker", "world", f"{families}:9001")
    name = "decisions_identity.large"
    return [
        Figure(f"{name}.rows", found["rows"], "records"),
        Figure(f"{name}.wall_s", found["wall_s"], "s", {"cpu_s": found["cpu_s"]}),
        Figure(f"{name}.rss_mb", found["rss_mb"], "MB"),
        Figure(f"{name}.links", found["links"], "pairs", {"wrong": found["wrong_links"]}),
    ]


def main() -> None:
    """Measure and write ``bench/decisions_identity.json``, or run one list as a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", nargs=2, metavar=("KIND", "ARGUMENT"))
    parser.add_argument("--seeds", type=int, default=6, help="made-up worlds")
    parser.add_argument("--large", type=int, default=72_000, metavar="FAMILIES")
    chosen = parser.parse_args()
    if chosen.worker:
        print(json.dumps(worker(*chosen.worker)))
        return
    figures = measure_worlds(chosen.seeds) + measure_large(chosen.large)
    if (data_folder() / _ORGANISATIONS).is_file():
        figures = measure_organisations() + figures
    write_figures("decisions_identity", figures)


if __name__ == "__main__":
    main()
