"""A kind's writer is found by its folder, and a vendor's refusal by its code."""

import asyncio

import pytest

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.transport import AsgiTransport
from reverse_etl.delivery.writer import Rejected, Retry, Unknown
from reverse_etl.outcomes import Action, OutcomeTable, outcomes_of_whole
from reverse_etl.planning.governance import load_governance
from reverse_etl.sap_s4hana.settings import SapOptions
from reverse_etl.writers import create_writer, writable_kinds
from tests.reverse_etl.support import sending

TABLE = OutcomeTable(
    codes={"LOCKED": Action.RETRY, "Server": Action.UNKNOWN, "FULL": Action.RETRY_SYSTEM},
    statuses={400: Action.REJECT, 403: Action.REJECT_TECHNICAL},
    retry_seconds={"FULL": 60.0},
)


def system(kind, **credentials):
    return System(
        system_id=f"{kind}_test",
        kind=kind,
        base_url="http://127.0.0.1:9" + ("/database" if kind == "tryton" else ""),
        credentials=credentials,
    )


def test_every_kind_with_a_writer_has_an_operation_for_every_governed_object():
    names = (
        "username", "password", "client_id", "client_secret",
        "account_id", "consumer_key", "consumer_secret", "token_id", "token_secret",
        "tenant",
    )  # fmt: skip
    credentials = dict.fromkeys(names, "x")
    for kind in writable_kinds():
        writer = create_writer(system(kind, **credentials), AsgiTransport({}), load_governance())
        for target in load_governance().of_kind(kind):
            limits = writer.limits(target.name, target.operation)
            assert limits.unreadable_fields <= set(target.fields)
            assert limits.has_look_up or limits.is_keyed
        with pytest.raises(ConfigError, match="no operation"):
            writer.limits("accounts", "destroy")
        asyncio.run(writer.close())


def test_an_unknown_kind_is_named_with_the_nearest_right_one():
    with pytest.raises(ConfigError, match="did you mean 'salesforce'"):
        create_writer(system("salesforc"), AsgiTransport({}), load_governance())


def test_a_system_that_cannot_be_reached_has_no_effect_and_pauses():
    credentials = {"username": "u", "password": "p"}
    writer = create_writer(
        system("sap_s4hana", **credentials), AsgiTransport({}), load_governance()
    )
    payload = {
        "company_code": "U001",
        "posting_kind": "customer",
        "customer": "0000100001",
        "amount": "5",
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-22",
        "value_date": "2026-05-22",
        "bank_gl_account": "11001000",
        "bank_reference": "BK1",
        "item_text": None,
    }
    one = sending("sap_s4hana", "journal_entries", "a" * 20, payload)
    outcome = asyncio.run(writer.send([one]))[one.command.command_id]
    assert isinstance(outcome, Retry)
    assert (outcome.code, outcome.is_system_wide) == ("not_sent", True)


@pytest.mark.parametrize(
    ("error", "kind", "is_wide"),
    [
        (VendorRejected("m", code="X", status=400), Rejected, None),
        (VendorRejected("m", code="X", status=502), Unknown, None),
        (VendorRejected("m", code="LOCKED", status=400), Retry, False),
        (VendorRejected("m", code="soap-env:Server", status=500), Unknown, None),
        (RetryLater("m", code="LOCKED"), Retry, False),
        (RetryLater("m", code="503"), Retry, True),
        (Reauthenticate("m", code="401"), Retry, True),
        (OutcomeUnknown("m", code="no_answer"), Unknown, None),
        (VendorAnswerInvalid("m", code="not_json"), Unknown, None),
    ],
)
def test_an_error_means_what_its_code_says_and_doubt_means_unknown(error, kind, is_wide):
    outcome = TABLE.of_error(error)
    assert type(outcome) is kind
    if is_wide is not None:
        assert outcome.is_system_wide is is_wide


def test_what_the_vendor_asks_for_goes_before_what_the_table_says():
    assert TABLE.of_error(RetryLater("m", code="FULL")).after_seconds == 60
    assert TABLE.of_error(RetryLater("m", code="FULL", after_seconds=3)).after_seconds == 3


def test_only_refusals_that_a_row_may_have_caused_are_halved():
    batch = [sending("salesforce", "accounts", f"001{n}", {"open_balance": "1"}) for n in range(2)]
    bad_row = VendorRejected("m", code="JSON_PARSER_ERROR", status=400)
    no_rights = VendorRejected("m", code="API_DISABLED", status=403)
    assert all(o.is_whole_batch for o in outcomes_of_whole(batch, bad_row, TABLE).values())
    assert not any(o.is_whole_batch for o in outcomes_of_whole(batch, no_rights, TABLE).values())


def test_options_of_a_system_win_over_defaults():
    plain = System(system_id="s", kind="sap_s4hana", base_url="https://x.example")
    assert SapOptions.of(plain) == SapOptions()
    set_up = plain.model_copy(
        update={"options": {"unlimited_is_zero": False, "settle_seconds": 7, "token_url": "/x"}}
    )
    assert SapOptions.of(set_up).unlimited_is_zero is False
    assert SapOptions.of(set_up).settle_seconds == 7.0
    loopback = plain.model_copy(update={"base_url": "http://127.0.0.1:1"})
    assert SapOptions.of(loopback).settle_seconds < SapOptions().settle_seconds
