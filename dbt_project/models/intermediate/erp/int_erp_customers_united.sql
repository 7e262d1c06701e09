-- Customers with names, addresses and blocks of every ERP kind, in one shape.
{{ united('customers') }}
