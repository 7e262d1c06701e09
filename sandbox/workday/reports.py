"""Reports as a service: three custom reports that an administrator of the tenant would build.

Columns are those of the kind's README; every value is text, an empty cell is left out of its row,
and there are no pages, as with the real thing. Prompts narrow the rows.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from sandbox.workday.state import WorkdayState
from sandbox.workday.trees import instant_text

__all__ = ["Reports"]

Row = dict[str, str]


class Reports:
    """The custom reports of a state."""

    def __init__(self, state: WorkdayState) -> None:
        self._state = state
        self._reports: Mapping[str, Callable[[], Iterator[Row]]] = {
            "Ledgerloop_Customer_Applications": self._applications,
            "Ledgerloop_Receivable_Ledger_Amounts": self._ledger_amounts,
            "Ledgerloop_Ledger_Account_Balances": self._balances,
        }

    def answer(self, name: str, prompts: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Status, content type and body of a report in the asked format."""
        make = self._reports.get(name)
        if make is None:
            return 404, "application/json", b'{"error":"Invalid request: report not found"}'
        wanted = prompts.get("Company")
        since = prompts.get("Updated_From")
        rows = [
            row
            for row in make()
            if (not wanted or row["Company_Reference_ID"] == wanted)
            and (not since or row.get("Updated_Moment", "~") >= _moment_text(since))
        ]
        shown = [{k: v for k, v in row.items() if v != ""} for row in rows]
        if prompts.get("format", "json") == "csv":
            return 200, "text/csv; charset=utf-8", _csv(rows)
        if prompts.get("format", "json") != "json":
            return 400, "application/json", b'{"error":"Invalid request: format"}'
        return 200, "application/json; charset=utf-8", json.dumps({"Report_Entry": shown}).encode()

    def _applications(self) -> Iterator[Row]:
        for one in self._state.applied:
            yield {
                "Application_ID": one.id,
                "Company_Reference_ID": one.company_code,
                "Applied_From_Workday_ID": one.credit,
                "Applied_To_Workday_ID": one.invoice,
                "Application_Date": one.made_at.date().isoformat(),
                "Applied_Amount": format(one.amount, "f"),
                "Currency": one.currency_code,
                "Ledger_Amount": format(one.amount_company, "f"),
                "Updated_Moment": instant_text(one.made_at),
            }

    def _ledger_amounts(self) -> Iterator[Row]:
        """What each document put on its receivable or unidentified account, debit +."""
        for record in self._state.records.values():
            if record.item is None or record.is_canceled:
                continue
            company = self._state.ledger.companies[record.item[0]]
            line = self._state.ledger.line(record.item)
            yield {
                "Transaction_Workday_ID": record.wid,
                "Company_Reference_ID": company.code,
                "Ledger_Account_ID": line.account,
                "Ledger_Currency": company.currency_code,
                "Ledger_Amount": str(line.amount_company),
            }

    def _balances(self) -> Iterator[Row]:
        for (company, account), amount in sorted(self._state.ledger.balances.items()):
            yield {
                "Company_Reference_ID": company,
                "Ledger_Account_ID": account,
                "Ledger_Currency": self._state.ledger.companies[company].currency_code,
                "Ending_Balance": str(amount),
            }


def _moment_text(text: str) -> str:
    """A prompt's moment in the spelling of the column, so that texts compare."""
    try:
        return instant_text(datetime.fromisoformat(text))
    except ValueError:
        return text


def _csv(rows: list[Row]) -> bytes:
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue().encode()
