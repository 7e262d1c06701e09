"""Writing to SAP S/4HANA Cloud: journal entries, clearings, credit accounts, order releases."""
