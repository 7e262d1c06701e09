"""Trace, mirror, links, inbox, masking, canonical forms: what others read."""

import json

from hypothesis import given
from hypothesis import strategies as st

from reverse_etl.ledger.commands import external_key_of, payload_hash_of
from reverse_etl.ledger.masking import is_sensitive, mask_data, mask_text
from reverse_etl.ledger.mirror import COLUMNS
from reverse_etl.ledger.store import Link
from reverse_etl.ledger.values import canonical_json, canonical_value, sha256_hex
from tests.reverse_etl.ledger.acts import finish, settle
from tests.reverse_etl.ledger.commands import NOW, posting, state

ITEM = "SAP-U001-2026-1800000123-001"


def receipt(store):
    """A receipt: journal, clearing of one invoice, and the invoice's new status in the CRM."""
    journal = posting("a1b2", correlation_id="rcpt-a1b2")
    lines = json.dumps([{"item_key": ITEM, "amount": "12.5"}])
    clearing = posting(
        "a1b2", {"lines": lines}, object_name="clearings", operation="clear",
        correlation_id="rcpt-a1b2", after=(journal.command_id,),
    )  # fmt: skip
    status = state(ITEM, {"status": "Paid"}, object_name="invoices", correlation_id="rcpt-a1b2")
    other = posting("ffff", correlation_id="rcpt-ffff")
    store.record_plan([journal, clearing, status, other])
    finish(store, "erp", journal)
    settle(store, "erp", clearing, "rejected")
    return journal, clearing, status


def test_any_key_tells_the_whole_story_in_time_order(store):
    journal, clearing, _status = receipt(store)
    keys = [
        ITEM, "a1b2", "rcpt-a1b2", journal.command_id, journal.command_id[:10],
        external_key_of(clearing.command_id),
    ]  # fmt: skip

    for key in keys:
        rows = list(store.trace(key))
        assert [row.event_no for row in rows] == sorted(row.event_no for row in rows)
        names = [(row.object_name, row.name) for row in rows]
        assert ("journal_entries", "verified") in names, key
        assert ("clearings", "rejected") in names, key
        assert ("clearings", "exception_opened") in names, key
        assert ("invoices", "planned") in names, key
        assert "rcpt-ffff" not in {row.correlation_id for row in rows}
    assert list(store.trace("unknown")) == []
    assert list(store.trace("%")) == []


def test_the_mirror_has_the_columns_of_the_warehouse(store):
    receipt(store)
    store.record_links([Link("crm", "001A", "SAP-42", "legal_entity", "erp number")])
    store.remove_links([Link("crm", "001A", "SAP-42", "legal_entity", "erp number")], by="anna")

    for name, columns in COLUMNS.items():
        for page in getattr(store.mirror, name)():
            assert all(len(row) == len(columns) for row in page), name
    commands = [dict(zip(COLUMNS["commands"], row, strict=True))
                for page in store.mirror.commands() for row in page]  # fmt: skip
    assert [one["state"] for one in commands] == ["verified", "rejected", "ready", "ready"]
    assert commands[0]["external_key"] == external_key_of(commands[0]["command_id"])
    assert (commands[0]["planned_at"], commands[0]["amount"]) == (NOW, None)
    (link,) = next(store.mirror.links())
    assert link[5] is not None
    assert link[6] is not None


def test_pages_do_not_lose_or_repeat_rows(store):
    store.record_plan(posting(f"R{number}") for number in range(25))

    keys = [row[5] for page in store.mirror.commands(page_rows=4) for row in page]

    assert keys == [f"R{number}" for number in range(25)]


def test_a_message_is_stored_once_and_handled_once(store, another):
    assert store.inbox.put("stripe", "evt_1", "{}", now=NOW)
    assert not another.inbox.put("stripe", "evt_1", "{}", now=NOW)
    assert store.inbox.put("zendesk", "evt_1", "{}", now=NOW)

    first = next(store.inbox.pending())
    store.inbox.done(first, "synced", now=NOW)

    assert [one.source for one in store.inbox.pending()] == ["zendesk"]


def test_sensitive_names_are_known_and_others_left():
    for name in ("iban", "IBAN", "payer_account", "BankAccount", "tax_number", "vat", "api_key"):
        assert is_sensitive(name), name
    for name in ("account_id", "gl_account", "amount", "customer", "bank_reference", "status"):
        assert not is_sensitive(name), name


def test_masks_reach_every_depth():
    found = mask_data(
        {
            "lines": [{"iban": "DE89370400440532013000", "amount": "1.5"}],
            "password": "hunter2hunter2",
            "note": "pay to GB29 NWBK 6016 1331 9268 19 please",
        }
    )

    assert found["lines"] == [{"iban": "***3000", "amount": "1.5"}]
    assert found["password"] == "***"
    assert "6016" not in found["note"]
    assert mask_text("Authorization: Bearer abcdefghijkl") == "Authorization: Bearer ***"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), _VALUES, max_size=4))
def test_canonical_json_is_what_the_payload_hash_hashes(payload):
    assert sha256_hex(canonical_json(payload)) == payload_hash_of(payload)
    assert json.loads(canonical_json(payload)) == payload


def test_values_compare_as_text():
    assert [canonical_value(v) for v in (None, "", "x", True, False, 7, ["a"], {"b": 1})] == [
        None, "", "x", "true", "false", "7", '["a"]', '{"b":1}',
    ]  # fmt: skip
