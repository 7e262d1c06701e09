"""Rows that views want, for the planner's tests: a balance, a receipt, its clearing."""

BALANCE = {
    "account_id": "001A", "company_code": "U001", "currency_code": "USD", "amount_current": "10",
    "amount_1_30": "0", "amount_31_60": "0", "amount_61_90": "0", "amount_91_120": "0",
    "amount_over_120": "0", "credits": "0", "unapplied_cash": "0", "net": "10",
}  # fmt: skip
CONTEXT = {
    "ctx_correlation_id": "balance-B1", "ctx_lane": "crm/001A", "ctx_customer_id": "SAP-1",
    "ctx_customer_name": "Corner Shop", "ctx_company_code": "U001", "ctx_document": "B1",
    "ctx_amount": "10", "ctx_currency_code": "USD",
}  # fmt: skip
WANTED = {**BALANCE, **CONTEXT, "as_of_date": "2026-03-02"}
RECEIPT = {
    "company_code": "U001", "posting_kind": "customer", "customer": "0000000001", "amount": "100",
    "currency_code": "USD", "posting_date": "2026-03-02", "document_date": "2026-03-01",
    "value_date": "2026-03-01", "bank_gl_account": "11001000", "bank_reference": "REF1",
    "item_text": "Corner Shop", "ctx_company_code": "U001", "ctx_amount": "100",
    "ctx_currency_code": "USD", "ctx_customer_id": "SAP-0000000001", "ctx_lane": "sap/U001/1",
    "ctx_correlation_id": "rcpt-R1",
}  # fmt: skip
CLEARING = {
    "company_code": "U001", "customer": "0000000001", "currency_code": "USD",
    "posting_date": "2026-03-02", "lines": '[{"item_key":"I1","amount":"100"}]',
    "ctx_company_code": "U001", "ctx_amount": "100", "ctx_currency_code": "USD",
    "ctx_customer_id": "SAP-0000000001", "ctx_lane": "sap/U001/1", "ctx_after_key": "R1",
    "ctx_correlation_id": "rcpt-R1",
}  # fmt: skip
BALANCES, JOURNALS, CLEARINGS = (
    "salesforce.balances",
    "sap_s4hana.journal_entries",
    "sap_s4hana.clearings",
)
LIMITS, ORDERS = "sap_s4hana.credit_accounts", "sap_s4hana.sales_orders"
