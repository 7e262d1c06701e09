"""Cash application: who paid, what is applied by itself, what is only proposed, and every cent."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.common.errors import InputRefused
from reverse_etl.decisions.cash import decide_cash
from reverse_etl.decisions.cash_frames import DECISION_SCHEMA
from reverse_etl.planning.policy import Policy

DAY = date(2026, 3, 2)
MONEY = pl.Decimal(28, 6)
RECEIPTS = pl.Schema(
    {
        "receipt_id": pl.String(), "received_date": pl.Date(), "amount": MONEY,
        "currency_code": pl.String(), "payer_account": pl.String(), "payer_name": pl.String(),
        "text": pl.String(), "company_code": pl.String(), "known_customer_id": pl.String(),
    }
)  # fmt: skip
ITEMS = pl.Schema(
    {
        "item_id": pl.String(), "customer_id": pl.String(), "customer_name": pl.String(),
        "company_code": pl.String(), "document_date": pl.Date(), "due_date": pl.Date(),
        "amount_open": MONEY, "currency_code": pl.String(), "references": pl.String(),
        "open_from": pl.Date(), "open_until": pl.Date(),
    }
)  # fmt: skip
POLICY = Policy()


def receipt(receipt_id: str = "R1", amount: str = "100", **more: Any) -> dict[str, Any]:
    return {
        "receipt_id": receipt_id, "received_date": DAY, "amount": Decimal(amount),
        "currency_code": "USD", "payer_account": None, "payer_name": None, "text": "",
        "company_code": None, "known_customer_id": None, **more,
    }  # fmt: skip


def item(item_id: str, amount: str, customer: str = "C-100001", **more: Any) -> dict[str, Any]:
    return {
        "item_id": item_id, "customer_id": customer, "customer_name": "Corner Shop",
        "company_code": "U001", "document_date": DAY, "due_date": DAY,
        "amount_open": Decimal(amount), "currency_code": "USD",
        "references": f"19306{item_id[1:]:>05}", "open_from": None, "open_until": None, **more,
    }  # fmt: skip


def decide(
    receipts: list[dict[str, Any]],
    items: list[dict[str, Any]],
    payers: dict[str, str] | None = None,
    aliases: list[tuple[str, str]] | None = None,
    reserved: list[tuple[str, str]] | None = None,
) -> list[dict[str, Any]]:
    frame = decide_cash(
        pl.DataFrame(receipts, schema=RECEIPTS),
        pl.DataFrame(items, schema=ITEMS),
        pl.DataFrame(
            list((payers or {}).items()), schema=["payer_account", "customer_id"], orient="row"
        )
        if payers
        else None,
        pl.DataFrame(aliases, schema=["payer_name", "customer_id"], orient="row")
        if aliases
        else None,
        POLICY,
        reserved=pl.DataFrame(reserved, schema=["receipt_id", "item_id"], orient="row")
        if reserved
        else None,
    )
    assert frame.schema == DECISION_SCHEMA
    return frame.to_dicts()


def short(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (r["decision"], r["rank"], r["customer_id"], r["item_id"], r["kind"], r["amount"])
        for r in rows
    ]


OURS = {"ACC1": "C-100001"}


def test_one_reference_and_its_amount_is_applied() -> None:
    rows = decide(
        [receipt(text="inv 1930600001", payer_account="ACC1")],
        [item("I1", "100"), item("I2", "100")],
        OURS,
    )
    assert short(rows) == [("auto", 1, "C-100001", "I1", "apply", Decimal(100))]
    assert (rows[0]["stage"], rows[0]["currency_code"]) == ("exact_reference", "USD")


def test_all_references_together_are_applied_credits_negative() -> None:
    rows = decide(
        [
            receipt(
                amount="120", text="1930600001, 1930600002 less 1930600003", payer_account="ACC1"
            )
        ],
        [item("I1", "100"), item("I2", "50"), item("I3", "-30")],
        OURS,
    )
    assert short(rows) == [
        ("auto", 1, "C-100001", "I1", "apply", Decimal(100)),
        ("auto", 1, "C-100001", "I2", "apply", Decimal(50)),
        ("auto", 1, "C-100001", "I3", "apply", Decimal(-30)),
    ]


def test_the_sum_of_everything_named_goes_before_one_equal_item() -> None:
    rows = decide(
        [receipt(text="1930600001 1930600002 1930600003", payer_account="ACC1")],
        [item("I1", "100"), item("I2", "50"), item("I3", "-50")],
        OURS,
    )
    assert {row["item_id"] for row in rows} == {"I1", "I2", "I3"}
    assert {row["stage"] for row in rows} == {"sum_of_references"}


def test_twins_that_are_both_named_are_never_chosen_between() -> None:
    rows = decide(
        [receipt(text="1930600001 1930600002", payer_account="ACC1")],
        [item("I1", "100"), item("I2", "100")],
        OURS,
    )
    assert {row["decision"] for row in rows} == {"proposal"}
    assert rows[0]["stage"] == "ambiguous_reference"
    assert [row["item_id"] for row in rows if row["rank"] in {2, 3}] == ["I1", "I2"]


def test_a_known_payer_with_unknown_items_goes_on_account_first() -> None:
    rows = decide([receipt(text="thank you", payer_account="ACC1")], [item("I1", "110")], OURS)
    assert short(rows) == [
        ("proposal", 1, "C-100001", None, "on_account", Decimal(100)),
        ("proposal", 2, "C-100001", "I1", "apply", Decimal(110)),
        ("proposal", 2, "C-100001", None, "deduction", Decimal(-10)),
    ]


def test_an_unknown_payer_is_unidentified_without_a_customer() -> None:
    rows = decide([receipt(text="thank you", payer_account="NEW")], [item("I1", "100")], OURS)
    assert short(rows)[0] == ("unidentified", 1, None, None, "on_account", Decimal(100))
    assert {(row["decision"], row["confidence"]) for row in rows[1:]} == {("proposal", 0.3)}


@pytest.mark.parametrize(
    "evidence",
    [
        {"payer_account": "ACC1"},
        {"text": "customer 100001"},
        {"text": "C-100001"},
        {"text": "1930600002 and 1930600001"},
        {"known_customer_id": "C-100001"},
        {"payer_name": "corner  SHOP."},
    ],
)
def test_a_payer_is_known_by_account_number_invoices_or_confirmed_name(
    evidence: dict[str, str],
) -> None:
    rows = decide(
        [receipt(amount="7", **evidence)],
        [item("I1", "100"), item("I2", "50"), item("I3", "70", customer="C-200002")],
        OURS,
        aliases=[("Corner Shop", "C-100001")],
    )
    assert rows[0]["customer_id"] == "C-100001"
    assert rows[0]["kind"] == "on_account"


@pytest.mark.parametrize(
    "text",
    ["1930600001 1930600003", "100001 200002", "100001 pays 1930600003"],
)
def test_evidence_for_two_customers_names_nobody(text: str) -> None:
    rows = decide([receipt(text=text)], [item("I1", "100"), item("I3", "100", customer="C-200002")])
    assert rows[0]["decision"] == "unidentified"
    assert rows[0]["stage"] == "payer_conflict"


def test_a_confirmed_name_of_two_customers_names_nobody() -> None:
    rows = decide(
        [receipt(payer_name="Corner Shop")],
        [item("I1", "100")],
        aliases=[("Corner Shop", "C-100001"), ("CORNER SHOP", "C-200002")],
    )
    assert rows[0]["decision"] == "unidentified"


def test_a_shared_account_belongs_to_whom_the_text_names() -> None:
    items = [item("I1", "100"), item("I3", "100", customer="C-200002")]
    shared = pl.DataFrame(
        {"payer_account": ["ACC1", "ACC1"], "customer_id": ["C-100001", "C-200002"]}
    )
    for text, customer in (("1930600003", "C-200002"), ("thanks", None)):
        frame = decide_cash(
            pl.DataFrame([receipt(text=text, payer_account="ACC1")], schema=RECEIPTS),
            pl.DataFrame(items, schema=ITEMS),
            shared,
            None,
            POLICY,
        )
        assert frame.filter(pl.col("rank") == 1)["customer_id"].to_list() == [customer]


def test_another_customers_invoice_is_never_applied_to_a_known_payer() -> None:
    rows = decide(
        [receipt(text="1930600003", payer_account="ACC1")],
        [item("I1", "70"), item("I3", "100", customer="C-200002")],
        OURS,
    )
    assert short(rows)[0] == ("proposal", 1, "C-100001", None, "on_account", Decimal(100))
    assert "another customer" in rows[0]["reason"]
    assert {row["decision"] for row in rows} == {"proposal"}


def test_another_currency_is_never_applied() -> None:
    rows = decide(
        [receipt(text="1930600001", payer_account="ACC1", currency_code="CAD")],
        [item("I1", "100")],
        OURS,
    )
    assert (rows[0]["decision"], rows[0]["stage"]) == ("proposal", "other_currency")


def test_a_payment_across_companies_is_a_proposal() -> None:
    rows = decide(
        [receipt(text="1930600001", payer_account="ACC1", company_code="U002")],
        [item("I1", "100")],
        OURS,
    )
    assert (rows[0]["decision"], rows[0]["stage"]) == ("proposal", "other_company")


def test_an_item_is_given_once_to_the_earliest_receipt() -> None:
    rows = decide(
        [
            receipt("R1", "60", text="1930600001 b", payer_account="ACC1", received_date=DAY),
            receipt("R0", "70", text="1930600001 a", payer_account="ACC1", received_date=DAY),
            receipt(
                "R9",
                text="1930600001 c",
                payer_account="ACC1",
                received_date=DAY - timedelta(days=1),
            ),
        ],
        [item("I1", "100")],
        OURS,
    )
    first = [row for row in rows if row["rank"] == 1]
    assert [(row["receipt_id"], row["decision"]) for row in first] == [
        ("R9", "auto"), ("R0", "proposal"), ("R1", "proposal"),
    ]  # fmt: skip
    assert first[1]["stage"] == "already_paid"
    assert "R9 pays it already" in first[1]["reason"]


def test_a_second_payment_with_the_same_text_is_guarded() -> None:
    rows = decide(
        [
            receipt("R1", text="1930600001", payer_account="ACC1"),
            receipt("R2", text="1930600001", payer_account="ACC1", received_date=DAY),
        ],
        [item("I1", "100"), item("I2", "100")],
        OURS,
    )
    assert [(row["decision"], row["stage"]) for row in rows] == [
        ("auto", "exact_reference"), ("proposal", "duplicate_guard"),
    ]  # fmt: skip


def test_an_item_on_its_way_to_the_erp_is_nobody_elses() -> None:
    rows = decide(
        [receipt("R1", text="1930600001", payer_account="ACC1")],
        [item("I1", "100")],
        OURS,
        reserved=[("R0", "I1")],
    )
    assert rows[0]["stage"] == "already_paid"
    again = decide(
        [receipt("R0", text="1930600001", payer_account="ACC1")],
        [item("I1", "100")],
        OURS,
        reserved=[("R0", "I1")],
    )
    assert again[0]["decision"] == "auto"


def test_what_is_on_its_way_stays_decided_though_it_would_not_be_decided_now() -> None:
    twins = [item("I1", "100"), item("I2", "100")]
    silent = [receipt("R1", payer_account="ACC1")]
    assert decide(silent, twins, OURS)[0]["decision"] == "proposal"
    kept = decide(silent, twins, OURS, reserved=[("R1", "I1")])
    assert [(row["decision"], row["item_id"]) for row in kept] == [("auto", "I1")]
    changed = [item("I1", "90"), item("I2", "100"), item("I3", "100")]
    assert decide(silent, changed, OURS, reserved=[("R1", "I1")])[0]["decision"] == "proposal"


@pytest.mark.parametrize(
    ("open_from", "open_until", "is_open"),
    [
        (None, None, True),
        (DAY, DAY, True),
        (DAY + timedelta(days=1), None, False),
        (None, DAY - timedelta(days=1), False),
    ],
)
def test_an_item_is_open_within_its_bounds_only(
    open_from: date | None, open_until: date | None, is_open: bool
) -> None:
    rows = decide(
        [receipt(text="1930600001", payer_account="ACC1")],
        [item("I1", "100", open_from=open_from, open_until=open_until)],
        OURS,
    )
    assert (rows[0]["decision"] == "auto") is is_open


def test_a_reversal_is_never_applied() -> None:
    rows = decide([receipt(amount="-100", payer_account="ACC1")], [item("I1", "-100")], OURS)
    assert short(rows) == [("proposal", 1, "C-100001", None, "on_account", Decimal(-100))]


def test_a_missing_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(InputRefused, match="no column 'amount'; is 'amounts' meant"):
        decide_cash(
            pl.DataFrame({"receipt_id": [], "received_date": [], "amounts": []}),
            pl.DataFrame(schema=ITEMS),
            None,
            None,
            POLICY,
        )


def test_float_money_is_refused() -> None:
    frame = pl.DataFrame(
        {"receipt_id": ["R"], "received_date": [DAY], "amount": [1.5], "currency_code": ["USD"]}
    )
    with pytest.raises(InputRefused, match="binary float"):
        decide_cash(frame, pl.DataFrame(schema=ITEMS), None, None, POLICY)


def test_dates_and_amounts_may_be_text() -> None:
    rows = decide_cash(
        pl.DataFrame(
            {
                "receipt_id": ["R"], "received_date": ["2026-03-02"], "amount": ["100.00"],
                "currency_code": ["USD"], "text": ["1930600001"],
            }
        ),
        pl.DataFrame([item("I1", "100")], schema=ITEMS),
        None,
        None,
        POLICY,
    )  # fmt: skip
    assert rows["decision"].to_list() == ["auto"]


cents = st.integers(min_value=-50_00, max_value=200_00).map(lambda n: Decimal(n) / 100)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A few customers with items, and receipts that name some of them, some to the cent."""
    items = [
        item(
            f"I{number}",
            str(draw(cents)),
            customer=draw(st.sampled_from(["C-100001", "C-200002"])),
            currency_code=draw(st.sampled_from(["USD", "USD", "CAD"])),
            company_code=draw(st.sampled_from(["U001", "U001", "U002"])),
        )
        for number in range(1, draw(st.integers(1, 6)))
    ]
    receipts = []
    for number in range(draw(st.integers(1, 6))):
        named = draw(st.lists(st.sampled_from(items), max_size=3)) if items else []
        total = sum((one["amount_open"] for one in named), Decimal(0))
        amount = total if total and draw(st.booleans()) else draw(cents)
        receipts.append(
            receipt(
                f"R{number}",
                str(amount),
                text=" ".join(one["references"] for one in named),
                payer_account=draw(st.sampled_from([None, "ACC1", "ACC2"])),
                received_date=DAY + timedelta(days=draw(st.integers(0, 3))),
            )
        )
    return receipts, items


@settings(max_examples=150, deadline=None)
@given(batches())
def test_every_cent_is_conserved_and_nothing_is_applied_twice(
    batch: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    receipts, items = batch
    rows = decide(receipts, items, {"ACC1": "C-100001", "ACC2": "C-200002"})
    by_item = {one["item_id"]: one for one in items}
    by_receipt = {one["receipt_id"]: one for one in receipts}
    assert {row["receipt_id"] for row in rows} == set(by_receipt)
    sums: dict[tuple[str, int], Decimal] = {}
    applied: list[str] = []
    for row in rows:
        place = (row["receipt_id"], row["rank"])
        sums[place] = sums.get(place, Decimal(0)) + row["amount"]
        if row["kind"] == "apply":
            found = by_item[row["item_id"]]
            assert row["amount"] == found["amount_open"]
            assert row["customer_id"] == found["customer_id"]
            assert found["currency_code"] == by_receipt[row["receipt_id"]]["currency_code"]
        if row["decision"] == "auto":
            applied.append(row["item_id"])
            assert row["rank"] == 1
    assert all(total == by_receipt[place[0]]["amount"] for place, total in sums.items())
    assert len(applied) == len(set(applied))
    shuffled = decide(receipts[::-1], items[::-1], {"ACC1": "C-100001", "ACC2": "C-200002"})
    first = [(r["receipt_id"], r["decision"], r["amount"]) for r in rows if r["rank"] == 1]
    again = [(r["receipt_id"], r["decision"], r["amount"]) for r in shuffled if r["rank"] == 1]
    assert sorted(first, key=str) == sorted(again, key=str), "order of the input says nothing"
