"""Writing to Salesforce: receivable figures on accounts, balances and invoices."""
