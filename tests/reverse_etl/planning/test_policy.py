"""The policy file: units, bands, and clear refusals."""

from decimal import Decimal
from pathlib import Path

import pytest

from ingestion.common.errors import ConfigError
from reverse_etl.planning.policy import (
    ApprovalBands,
    LimitChange,
    Policy,
    approval_of,
    load_policy,
    stricter_mode,
)

BANDS = ApprovalBands(
    change_percent_max=Decimal(10),
    change_amount_max=Decimal(1000),
    cumulative_12_months_max=Decimal(1500),
    second_person_from=Decimal(5000),
)


def test_the_policy_of_the_product_is_valid() -> None:
    policy = load_policy()
    assert policy.guards.of("sap_s4hana", "sales_orders").changes_count_max == 5000
    assert policy.guards.of("salesforce", "invoices").changes_count_max == 100_000


@pytest.mark.parametrize(
    ("before", "after", "earlier", "who"),
    [
        ("10000", "11000", "0", ""),
        ("10000", "9000", "0", ""),
        ("10000", "11000.01", "0", "one_person"),
        ("5000", "5501", "0", "one_person"),
        ("0", "1", "0", "one_person"),
        ("10000", "10600", "901", "one_person"),
        ("10000", "10600", "900", ""),
        ("10000", "15000", "0", "two_people"),
        (None, "1", "0", "two_people"),
        ("1", None, "0", "two_people"),
    ],
)
def test_a_change_beyond_a_band_asks_for_people(
    before: str | None, after: str | None, earlier: str, who: str
) -> None:
    change = LimitChange(
        None if before is None else Decimal(before),
        None if after is None else Decimal(after),
        Decimal(earlier),
    )
    asked, reason = approval_of(change, BANDS)
    assert asked == who
    assert bool(reason) is bool(who)


def test_a_rule_without_bands_always_asks() -> None:
    change = LimitChange(Decimal(100), Decimal(101))
    assert approval_of(change, Policy().bands("terms"))[0]


def test_modes_only_ever_get_stricter() -> None:
    assert stricter_mode("automatic", "shadow") == "shadow"
    assert stricter_mode("off", "approve_all") == "off"
    assert stricter_mode() == "automatic"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cash]\nreference_length = 4", "did you mean 'reference_length_min'"),
        ("[approvals.credit_limit]\nchange_percent_max = 10.5", "as text"),
        ("[flows]\ncrm = 'fast'", "flows.crm"),
        ("[cash", "not valid TOML"),
        ("[cash]\njoined_words_max = 99", "joined_words_max"),
    ],
)
def test_a_wrong_policy_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_policy(path)


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no policy file at"):
        load_policy(tmp_path / "none.toml")
