"""The measurements: found by themselves, written in the public form, honest about what they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.common import Figure
from bench.loop import Cost, Costs, figures_of

ROOT = Path(__file__).parents[2]
FIRST_EMPTY = Cost(cpu_s=8, wall_s=9, rss_mb=500, writes=0)
NEXT_EMPTY = Cost(cpu_s=5, wall_s=6, rss_mb=400, writes=0)
EMPTY = Costs(full=FIRST_EMPTY, following=NEXT_EMPTY, unchanged=NEXT_EMPTY)
COSTS = Costs(
    full=Cost(cpu_s=38, wall_s=50, rss_mb=1100, writes=20_000),
    following=Cost(cpu_s=14, wall_s=15, rss_mb=900, writes=0),
    unchanged=Cost(cpu_s=14, wall_s=15, rss_mb=800, writes=0),
)


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *arguments],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )


def test_every_measurement_of_the_folder_is_found_and_helpers_are_not():
    listed = run_bench("bench", "--list").stdout.split()
    assert {"diff", "ingest", "loop"} <= set(listed)
    assert not {"common", "page_server", "__main__"} & set(listed)


def test_an_unknown_measurement_is_named_with_those_there_are():
    refused = run_bench("bench", "lop")
    assert refused.returncode == 2
    assert "unknown: lop" in refused.stderr
    assert "loop" in refused.stderr


def test_a_loop_over_empty_systems_is_measured_and_written_in_the_public_form(home):
    done = run_bench("bench.loop", "--sizes", "--runs", "1")
    assert done.returncode == 0, done.stderr[-2000:]
    tree = json.loads((home / "bench" / "loop.json").read_text(encoding="utf-8"))
    assert set(tree) == {"machine", "figures"}
    figures = {one["name"]: one for one in tree["figures"]}
    assert set(figures) == {
        *("loop.cpu_s.empty", "loop.wall_s.empty", "loop.peak_rss_mb.empty"),
        *("noop_loop.cpu_s.empty", "noop_loop.wall_s.empty"),
    }
    assert all(set(one) == {"name", "value", "unit", "beside"} for one in tree["figures"])
    assert figures["loop.cpu_s.empty"]["value"] > 0
    assert figures["loop.peak_rss_mb.empty"]["value"] > 100


def found(name: str) -> Figure:
    return next(one for one in figures_of(EMPTY, {"100k": COSTS}) if one.name == name)


def test_the_limit_of_a_no_change_loop_is_a_third_of_the_full_one_without_start_up():
    assert found("noop_loop.cpu_s.100k").beside["limit"] == pytest.approx(8 + (38 - 8) / 3)


def test_the_share_takes_off_each_loop_the_empty_one_of_its_own_sort():
    assert found("noop_loop.share_of_full.100k").value == pytest.approx((14 - 5) / (38 - 8))


@pytest.mark.parametrize(
    "name", ["loop.cpu_s.100k", "noop_loop.cpu_s.100k", "loop.peak_rss_mb.100k"]
)
def test_every_loop_stands_beside_the_others_or_its_limit(name):
    assert found(name).beside
