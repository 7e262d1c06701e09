"""G/L balances: read from the ledger's accounts, not summed from the items.

SAP has no verified public service for them; service and set are named in the settings. The figures
come from another place than the items on purpose: two views of one sum would prove nothing.
"""

from sandbox.sap_s4hana.state import SapState

__all__ = ["refresh_balances"]


def refresh_balances(state: SapState) -> None:
    """Bring the balance set up to date with the ledger."""
    table = state.table_at(state.settings.gl_balance_service)
    for (company, account), balance in state.ledger.balances.items():
        currency = state.ledger.companies[company].currency_code
        row = table.get(company, account, currency)
        if row is None:
            table.insert(
                {
                    "CompanyCode": company,
                    "GLAccount": account,
                    "CompanyCodeCurrency": currency,
                    "AmountInCompanyCodeCurrency": balance,
                }
            )
        else:
            table.update(row, {"AmountInCompanyCodeCurrency": balance})
