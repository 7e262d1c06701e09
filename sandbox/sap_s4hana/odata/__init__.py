"""OData version 2 as SAP Gateway speaks it: model, metadata, addresses, filters, pages, batches.

Nothing in this folder knows receivables; the sets and their rules come from ``services``.
"""
