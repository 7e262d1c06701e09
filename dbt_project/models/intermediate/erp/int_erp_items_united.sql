-- Customer items and unidentified receipts of every ERP kind, in one shape.
{{ united('items') }}
