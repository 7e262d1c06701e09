"""The late-payment prediction: strictly as of a day, never crashing, honest about what it uses."""

import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ingestion.common.errors import InputRefused
from reverse_etl.decisions.late import (
    LATE_PAYMENTS_SCHEMA,
    PREDICTION_SCHEMA,
    LatePrediction,
    learn_late,
    predict_late,
    train_and_compare,
)
from reverse_etl.decisions.late_comparison import LATE_COMPARISON_SCHEMA
from reverse_etl.decisions.late_policy import LatePolicy
from reverse_etl.planning.tables import TABLES

AS_OF = date(2019, 10, 1)
POLICY = LatePolicy(
    models_averaged=1, iterations=25, training_rows_min=200, events_min=5, training_weeks_max=20
)


def ledger(seed: int = 7, customers: int = 30, items: int = 1800) -> pl.DataFrame:
    """Customers that pay on their own weekday some days after the due date, a few very late."""
    random = np.random.default_rng(seed)
    who = random.integers(0, customers, items)
    due = np.asarray(
        [date(2019, 1, 15).toordinal() + int(n) for n in random.integers(0, 300, items)]
    )
    paid = due + (who % 5) * 2 - 3 + random.integers(0, 2, items)
    paid += (who % 7 - (paid - 1) % 7) % 7
    paid += np.where((who % 6 == 0) & (random.random(items) < 0.3), 40, 0)
    return pl.DataFrame(
        {
            "item_id": [f"I{n}" for n in range(items)],
            "customer_id": [f"C{n:03d}" for n in who],
            "document_date": [date.fromordinal(int(n) - 15) for n in due],
            "due_date": [date.fromordinal(int(n)) for n in due],
            "cleared_date": [date.fromordinal(int(n)) for n in paid],
            "amount": [f"{n:.2f}" for n in random.lognormal(9, 1, items)],
            "currency_code": ["CAD" if n % 4 == 0 else "USD" for n in who],
        }
    )


LEDGER = ledger()


def unpaid_on(day: date) -> pl.DataFrame:
    known = (pl.col("document_date") <= day) & (pl.col("cleared_date") > day)
    return LEDGER.filter(known).drop("cleared_date")


@pytest.fixture(scope="module")
def learned() -> LatePrediction:
    return learn_late(LEDGER, unpaid_on(AS_OF), AS_OF, POLICY)


def one_item(**changes: object) -> pl.DataFrame:
    row: dict[str, object] = {
        "item_id": "X",
        "customer_id": "C001",
        "document_date": AS_OF - timedelta(days=5),
        "due_date": AS_OF + timedelta(days=10),
        "amount": "100.00",
        "currency_code": "USD",
    }
    schema = {"document_date": pl.Date, "due_date": pl.Date, "amount": pl.String}
    return pl.DataFrame([{**row, **changes}], schema_overrides=schema)


def test_every_open_item_gets_one_answer_in_the_order_of_the_file(learned):
    answer = learned.predictions()
    assert answer.schema == PREDICTION_SCHEMA
    assert answer["item_id"].to_list() == unpaid_on(AS_OF)["item_id"].to_list()
    assert (answer["expected_pay_date"] > AS_OF).all()
    assert answer["p_late"].is_between(0, 1).all()
    assert answer["p_late_30"].is_between(0, 1).all()
    assert (answer["p_late"] >= answer["p_late_30"]).all()


def test_the_date_and_the_probability_say_the_same(learned):
    rows = learned.rows.filter(pl.col("model") == "model")
    says_late = rows["expected_pay_date"] > rows["due_date"]
    assert rows.height > 0
    assert (says_late == (rows["p_late"] > 0.5)).all()


def test_what_is_paid_after_the_day_changes_nothing(learned):
    until_then = LEDGER.filter(pl.col("cleared_date") <= AS_OF)
    later = LEDGER.filter(pl.col("cleared_date") > AS_OF).with_columns(
        pl.col("cleared_date") + pl.duration(days=200), amount=pl.lit("1.00")
    )
    for closed in (until_then, pl.concat([until_then, later])):
        answer = predict_late(closed, unpaid_on(AS_OF), AS_OF, POLICY)
        assert_frame_equal(answer, learned.predictions(), check_exact=True)


def test_the_model_is_used_where_it_beats_the_median_and_every_segment_says_so(learned):
    found = learned.comparison
    assert found.uses == "model"
    errors = {f.model: f.value for f in found.figures if f.measure == "mae_days"}
    assert errors["published"] < errors["customer_median"]
    assert {"due_date", "global_mean", "global_median", "customer_mean"} <= set(errors)
    for one in found.segments:
        if one.rows >= POLICY.segment_rows_min:
            assert (one.uses == "model") == (one.mae_model_days < one.mae_median_days)


def test_with_little_history_the_customers_median_is_used_and_the_reason_told():
    closed = LEDGER.filter(pl.col("cleared_date") <= date(2019, 3, 1))
    found = learn_late(closed, one_item(), AS_OF, replace(POLICY, training_rows_min=100_000))
    assert found.comparison.uses == "customer_median"
    assert "rows to learn from" in found.comparison.reason
    assert found.rows["model"].to_list() == ["customer_median"]
    own = closed.filter(pl.col("customer_id") == "C001")
    median = (own["cleared_date"] - own["due_date"]).dt.total_days().median()
    expected = found.rows["expected_pay_date"][0] - found.rows["due_date"][0]
    assert abs(expected.days - median) <= 0.5


def test_an_overdue_item_is_late_for_certain_and_expected_after_the_day():
    due = AS_OF - timedelta(days=35)
    item = one_item(due_date=due, document_date=due - timedelta(days=15))
    answer = predict_late(LEDGER, item, AS_OF, POLICY)
    assert answer["p_late"].to_list() == [1.0]
    assert answer["p_late_30"].to_list() == [1.0]
    assert answer["expected_pay_date"][0] > AS_OF


@pytest.mark.parametrize(
    "changes",
    [
        {"document_date": None},
        {"due_date": None},
        {"document_date": None, "due_date": None},
        {"customer_id": "never seen"},
        {"customer_id": None},
        {"amount": None},
        {"amount": "-500.00"},
        {"document_date": AS_OF + timedelta(days=20), "due_date": AS_OF + timedelta(days=40)},
        {"due_date": AS_OF - timedelta(days=4000)},
        {"due_date": AS_OF + timedelta(days=4000)},
        {"due_date": AS_OF},
    ],
)
@pytest.mark.parametrize("history", ["none", "some"])
def test_a_strange_item_is_answered_all_the_same(changes, history):
    closed = LEDGER.head(0 if history == "none" else 150)
    answer = predict_late(closed, one_item(**changes), AS_OF, POLICY)
    assert answer.height == 1
    assert answer["expected_pay_date"][0] > AS_OF
    assert 0 <= answer["p_late_30"][0] <= answer["p_late"][0] <= 1


def test_a_missing_document_date_is_the_due_date_less_the_customers_usual_term(learned):
    nameless = unpaid_on(AS_OF).with_columns(document_date=pl.lit(None, pl.Date))
    answer = predict_late(LEDGER, nameless, AS_OF, POLICY)
    assert_frame_equal(answer, learned.predictions())


def test_dates_written_as_text_are_read(learned):
    dates = pl.col("document_date", "due_date", "cleared_date").cast(pl.String)
    closed = LEDGER.with_columns(dates)
    answer = predict_late(closed, unpaid_on(AS_OF), AS_OF, POLICY)
    assert_frame_equal(answer, learned.predictions())


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        (LEDGER.drop("cleared_date"), "column cleared_date is missing"),
        (LEDGER.with_columns(due_date=pl.lit("30.02.2019")), "column due_date holds"),
        (LEDGER.with_columns(amount=pl.lit("12,50 EUR")), "column amount holds"),
    ],
)
def test_a_wrong_column_is_refused_by_name(closed, said):
    with pytest.raises(InputRefused, match=said):
        predict_late(closed, one_item(), AS_OF, POLICY)


def test_no_open_item_is_no_row_and_still_a_comparison():
    found = train_and_compare(LEDGER, AS_OF, POLICY)
    rows = found.rows()
    assert rows.schema == LATE_COMPARISON_SCHEMA
    assert set(rows["as_of_date"]) == {AS_OF}
    assert found.metadata()["seed"] == POLICY.seed
    assert found.metadata()["uses"] == found.uses


def test_the_rows_fit_the_declared_tables(learned):
    assert learned.late_payments().schema == LATE_PAYMENTS_SCHEMA
    declared = TABLES["decisions.late_payments"].names
    assert LATE_PAYMENTS_SCHEMA.names() == declared
    assert LATE_COMPARISON_SCHEMA.names() == TABLES["decisions.late_comparison"].names


def test_progress_rises_to_the_end():
    told: list[float] = []
    predict_late(
        LEDGER.head(300), one_item(), AS_OF, POLICY, progress=lambda _, share: told.append(share)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_process_that_learns_for_the_first_time_does_so_on_one_thread():
    code = (
        "import sys, threadpoolctl\n"
        "from reverse_etl.decisions.late_model import one_thread\n"
        "with one_thread():\n"
        "    import sklearn.ensemble\n"
        "    libraries = threadpoolctl.threadpool_info()\n"
        "found = {one['num_threads'] for one in libraries if one['user_api'] == 'openmp'}\n"
        "sys.exit(found != {1})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0


def test_importing_the_prediction_loads_no_learning_library():
    code = (
        "import sys, reverse_etl.decisions.late_forecast;"
        "sys.exit('sklearn' in sys.modules or 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0
