-- Sales orders of every ERP kind, in one shape.
{{ united('sales_orders') }}
