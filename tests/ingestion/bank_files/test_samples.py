"""Other people's camt.053 files: each parses or is refused with a reason, none crashes the read."""

from collections import Counter
from pathlib import Path

import pytest

from ingestion.bank_files.formats import parse_file
from ingestion.common.errors import InputRefused

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "bank" / "genkgo-camt"


def outcome_of(path: Path) -> str:
    """``accepted`` or the reason; any other exception is a crash and fails the test."""
    try:
        return "accepted" if parse_file(path) else "empty"
    except InputRefused as error:
        return error.code if path.name in error.message else "nameless"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"NO SAMPLES: {SAMPLES} is not there")
def test_every_sample_parses_or_is_refused_with_a_reason() -> None:
    outcomes: Counter[str] = Counter()
    files = sorted(SAMPLES.rglob("*.xml"))
    assert files
    for path in files:
        outcomes[outcome_of(path)] += 1
    assert outcomes["accepted"] >= 1
    assert not {"truncated", "empty", "nameless"} & set(outcomes)
    assert outcomes["unknown_format"] == sum(
        "camt053" not in p.name and "camt53" not in p.name for p in files
    )
