"""Seeds the CRM through its own protocols: accounts by collections, receivables by Bulk API 2.0.

Accounts come first, because balances and invoices name them by the id the org gave. A row that the
org refuses stops the seeding.
"""

import csv
import io
from collections.abc import Callable, Sequence

from ingestion.salesforce.client import SalesforceClient
from ingestion.salesforce.settings import COLLECTION_ROWS_MAX
from sandbox.demo.additions import World
from sandbox.demo.crm import CrmAccount, PostedItem, Row, balance_rows, invoice_rows
from sandbox.demo.dataset import DatasetError

__all__ = ["seed_accounts", "seed_receivables"]

Say = Callable[[str], None]

_BULK_ROWS_MAX = 50_000
_BULK_INTERVAL_SECONDS = 0.1


async def seed_accounts(client: SalesforceClient, world: World, say: Say) -> dict[str, str]:
    """Create all accounts.

    Returns:
        Customer number to the id of its linked account; unlinked accounts are left out.

    Raises:
        DatasetError: the org refused an account; its own words are in the message.
    """
    ids: dict[str, str] = {}
    accounts = world.crm_accounts
    for start in range(0, len(accounts), COLLECTION_ROWS_MAX):
        chunk = accounts[start : start + COLLECTION_ROWS_MAX]
        ids |= await _create(client, chunk)
    say(f"{len(accounts)} CRM accounts that know {len(ids)} ERP customers")
    return ids


async def _create(client: SalesforceClient, chunk: Sequence[CrmAccount]) -> dict[str, str]:
    fields = [{k: v for k, v in one.fields.items() if v is not None} for one in chunk]
    results = await client.create_collection("Account", fields)
    found: dict[str, str] = {}
    for account, result in zip(chunk, results, strict=True):
        if not result.get("success"):
            raise DatasetError(
                f"account {account.fields['Name']} was refused: {result.get('errors')}",
                code="seeding_refused",
            )
        if account.is_linked:
            found |= dict.fromkeys(account.customers, str(result["id"]))
    return found


async def seed_receivables(
    client: SalesforceClient,
    world: World,
    account_ids: dict[str, str],
    posted: list[PostedItem],
    say: Say,
) -> None:
    """Load balances and invoices, stale and with gaps, keyed by the ERP's documents.

    Raises:
        DatasetError: the org refused a row.
    """
    as_of = world.dataset.as_of
    invoices = invoice_rows(posted, account_ids, as_of, world.settings, world.seed)
    balances = balance_rows(posted, account_ids, world.plans, as_of, world.settings, world.seed)
    await _load(client, "AR_Invoice__c", "ERP_Invoice_Key__c", invoices)
    say(f"{len(invoices)} CRM invoices")
    await _load(client, "AR_Balance__c", "ERP_Balance_Key__c", balances)
    say(f"{len(balances)} CRM balances")


async def _load(client: SalesforceClient, name: str, key: str, rows: Sequence[Row]) -> None:
    for start in range(0, len(rows), _BULK_ROWS_MAX):
        chunk = rows[start : start + _BULK_ROWS_MAX]
        result = await client.bulk_ingest(
            name, "upsert", key, _csv(chunk), interval_seconds=_BULK_INTERVAL_SECONDS
        )
        failed = int(result.job.get("numberRecordsFailed", 0))
        if result.state != "JobComplete" or failed:
            lines = result.failed.decode("utf-8", "replace").splitlines()
            raise DatasetError(
                f"{name}: job {result.state}, {failed} rows refused: {lines[1:3]}",
                code="seeding_refused",
            )


def _csv(rows: Sequence[Row]) -> bytes:
    """Rows of one shape as CSV with LF line ends, as the bulk job was told."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
