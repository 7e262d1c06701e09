"""Writing to Oracle NetSuite: payments, applications, credit memos, limits, order releases."""
