"""ANSI X12 interchanges that carry remittances: 820 and 823."""
