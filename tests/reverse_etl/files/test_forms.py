"""Other ERPs' files: NetSuite's import rows and Dynamics' package rows, and one push of each sort.

Nothing real takes these files here: a small program on the server's side reads a file as a
middleware would, by its headings, checks it against its control file, and answers row by row.
"""

import asyncio
import csv
import hashlib
import io
import json
from decimal import Decimal

import pytest

from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from ingestion.common.transport import AiohttpTransport
from reverse_etl.delivery.writer import Accepted, Rejected
from reverse_etl.files.forms import forms_of
from reverse_etl.files.wrapper import with_files
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.sftp.keys import server_keys
from sandbox.sftp.server import FileServer
from tests.reverse_etl.files.conftest import Hasty
from tests.reverse_etl.support import sending

GOVERNANCE = load_governance()
KINDS = ("netsuite", "dynamics365_finance")
CREDENTIALS = {
    "netsuite": {
        "account_id": "1", "consumer_key": "a", "consumer_secret": "b", "token_id": "c",
        "token_secret": "d",
    },
    "dynamics365_finance": {
        "token_url": "http://127.0.0.1:9", "client_id": "c", "client_secret": "s",
    },
}  # fmt: skip


def system_of(kind, **credentials):
    return System(
        system_id=f"{kind}_test",
        kind=kind,
        base_url="http://127.0.0.1:9",
        options={"sftp_file_from": 2, "sftp_ack_wait_seconds": 20, "settle_seconds": 1.0},
        credentials={**CREDENTIALS[kind], **credentials},
    )


def payment(kind, number, amount, customer="C1", **changes):
    payload = {
        "company_code": "usmf",
        "posting_kind": "customer" if customer else "unidentified",
        "customer": customer,
        "amount": amount,
        "currency_code": "JPY" if "." not in amount else "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-21",
        "value_date": "2026-05-21",
        "bank_gl_account": "1000",
        "bank_account": "OPER-01",
        "bank_reference": "BK1",
        "item_text": 'Payment; of "a" customer',
        **changes,
    }
    fields = GOVERNANCE.object(kind, "payments").fields
    return sending(
        kind, "payments", f"{number:020x}", {k: v for k, v in payload.items() if k in fields}
    )


def limit(kind, **payload):
    return sending(kind, "credit_limits", "C1/usmf", payload)


def rows_of(kind, one):
    form = forms_of(system_of(kind), GOVERNANCE)[(one.command.object_name, one.command.operation)]
    lines = form.lines(one)
    return [dict(zip(form.columns, line.values, strict=True)) for line in lines], lines


# -- what the rows say -----------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "currency"), [("1234.50", "USD"), ("5000", "JPY")])
@pytest.mark.parametrize(
    ("kind", "column"), [("netsuite", "Payment Amount"), ("dynamics365_finance", "CreditAmount")]
)
def test_a_receipt_is_one_row_with_its_exact_amount_and_the_key_that_travels(
    kind, column, amount, currency
):
    one = payment(kind, 1, amount)
    (row,), (line,) = rows_of(kind, one)
    assert Decimal(row[column]) == Decimal(amount) == line.amount
    assert line.currency_code == currency
    assert any(one.external_key in value for value in row.values())


def test_a_receipt_without_a_payer_is_a_balanced_journal_in_netsuite_and_counts_once():
    (bank, other), lines = rows_of("netsuite", payment("netsuite", 1, "12.50", customer=None))
    assert {row["Record Type"] for row in (bank, other)} == {"journalEntry"}
    assert (bank["Debit"], other["Credit"]) == ("12.5", "12.5")
    assert (bank["Credit"], other["Debit"]) == ("", "")
    assert sum(line.amount for line in lines) == Decimal("12.50")


def test_no_limit_clears_netsuites_field_none_granted_is_zero_and_a_hold_leaves_it():
    def cells(**payload):
        (row,), _ = rows_of("netsuite", limit("netsuite", **payload))
        return row["Credit Limit"], row["Hold"]

    assert cells(limit_kind="unlimited", limit_amount=None) == ("", "/")
    assert cells(limit_kind="none_granted", limit_amount=None) == ("0", "/")
    assert cells(limit_kind="limited", limit_amount="1500") == ("1500", "/")
    assert cells(is_blocked=True) == ("/", "ON")
    assert cells(is_blocked=False) == ("/", "AUTO")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_receipt_and_a_limit_without_its_kind_get_no_row(kind):
    for one in (payment(kind, 1, "-5.00"), limit(kind, limit_amount="10")):
        with pytest.raises(InputRefused):
            rows_of(kind, one)


def test_a_refused_column_is_named_as_the_hub_names_it():
    for kind, column in (("netsuite", "Payment Amount"), ("dynamics365_finance", "CreditAmount")):
        assert (
            forms_of(system_of(kind), GOVERNANCE)["payments", "post"].field_of(column) == "amount"
        )


# -- on their way ----------------------------------------------------------------------------------


async def answer(control):
    """Take a file as a middleware does: sums first, then a document for all but the last key."""
    said = json.loads(control.read_text())
    file = control.with_suffix("")
    content = file.read_bytes()
    rows = list(csv.DictReader(io.StringIO(content.decode()), delimiter=";"))
    assert hashlib.sha256(content).hexdigest() == said["sha256"]
    assert len(rows) == said["rows"]
    keys = list(dict.fromkeys(row["DOC_KEY"] for row in rows))
    made = [f"{key};ACCEPTED;DOC{n};;;" for n, key in enumerate(keys[:-1])]
    refused = f"{keys[-1]};REJECTED;;INVALID_KEY;Customer;no such customer"
    lines = "\n".join(["DOC_KEY;STATUS;DOCUMENT;CODE;FIELD;MESSAGE", *made, refused, ""])
    outbox = control.parents[1] / "outbox"
    (outbox / f"{file.name}.ack.csv").write_text(lines)
    verdict = {
        "file": file.name, "sha256": said["sha256"], "status": "PROCESSED", "code": "",
        "message": "", "rows_sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }  # fmt: skip
    (outbox / f"{file.name}.ack").write_text(json.dumps(verdict))
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_from_a_volume_on_receipts_travel_as_one_file_and_answers_come_back_by_key(kind, home):
    batch = [payment(kind, n, f"{n}.25") for n in range(1, 4)]
    root, controls = home / "server", []

    async def arrived(path):
        if path.suffix == ".ctl":
            controls.append(await answer(root / path))

    async def push():
        for folder in ("inbox", "outbox"):
            (root / folder).mkdir(parents=True)
        async with FileServer(root, server_keys(home / "keys"), arrived=arrived) as server:
            folders = {"sftp_push_folder": "inbox", "sftp_ack_folder": "outbox"}
            system = system_of(kind, **server.credentials(), **folders)
            inner = create_writer(system, AiohttpTransport(), GOVERNANCE)
            writer = with_files(inner, system, GOVERNANCE, clock=Hasty())
            try:
                assert writer.limits("payments", "post").bulk_from == 2
                return await writer.send(batch)
            finally:
                await writer.close()

    outcomes = asyncio.run(push())
    first, second, last = (outcomes[one.command.command_id] for one in batch)
    assert (first, second) == (Accepted("DOC0"), Accepted("DOC1"))
    assert isinstance(last, Rejected)
    assert (last.code, len(controls), controls[0]["documents"]) == ("INVALID_KEY", 1, 3)
    assert {k: Decimal(v) for k, v in controls[0]["totals"].items()} == {"USD": Decimal("6.75")}
