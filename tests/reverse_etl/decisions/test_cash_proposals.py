"""What a person is shown when nothing is applied: likely sets first, and nobody is named by it."""

import pytest

from tests.reverse_etl.decisions.cash_desk import DAY, applied, days, decide, owed, paid, proposed

#: Odd amounts of which no few sum up to another.
_MANY = [owed(f"70{n:05d}", f"{1000 + n}.{n % 7}3", due_date=DAY - days(n)) for n in range(170)]


def test_a_pair_with_just_the_amount_is_shown_also_among_very_many_items() -> None:
    pair = [
        owed("8000001", "5000.01", due_date=DAY - days(40)),
        owed("8000002", "7000.01", due_date=DAY - days(80)),
    ]
    rows = decide([paid("12000.02", "WEEKLY RUN")], [*_MANY, *pair])
    assert applied(rows) == []
    assert sorted(proposed(rows)[0]) == ["8000001", "8000002"]


def test_what_is_named_is_also_shown_without_the_stray_that_makes_it_far_too_much() -> None:
    items = [owed("8000001", "1000"), owed("8000002", "9000")]
    rows = decide([paid("950", "INV 8000001, 8000002")], items)
    assert applied(rows) == []
    assert ["8000001"] in proposed(rows)[:2]


def test_a_payment_a_little_short_is_shown_whole_and_no_reference_is_held_to_be_stray() -> None:
    items = [owed("8000001", "1000"), owed("8000002", "9000")]
    rows = decide([paid("9500", "INV 8000001, 8000002")], items)
    assert sorted(proposed(rows)[0]) == ["8000001", "8000002"]
    assert "less_stray" not in {row["stage"] for row in rows}


@pytest.mark.parametrize(("owing", "is_shown"), [(1, True), (2, True), (3, False)])
def test_the_few_who_owe_just_the_amount_are_suggested_though_no_name_is_like_the_payers(
    owing: int, is_shown: bool
) -> None:
    items = [
        owed(f"800000{n}", "4711.13", customer_id=f"C-20000{n}", customer_name=name)
        for n, name in enumerate(["Alder Mills", "Birch Works", "Cedar Yard"][:owing])
    ]
    stranger = paid("4711.13", "THANK YOU", payer_account="NEW1", payer_name="Zenith Quarries")
    rows = decide([stranger], items)
    assert (rows[0]["decision"], rows[0]["customer_id"]) == ("unidentified", None)
    assert bool(proposed(rows)) is is_shown


def test_who_owes_the_amount_and_has_a_similar_name_is_suggested_alone() -> None:
    items = [
        owed("8000001", "4711.13", customer_id="C-200001", customer_name="Zenith Quarries"),
        owed("8000002", "4711.13", customer_id="C-200002", customer_name="Alder Mills"),
    ]
    stranger = paid("4711.13", "THANK YOU", payer_account="NEW1", payer_name="Zenith Quarry")
    assert proposed(decide([stranger], items)) == [["8000001"]]
