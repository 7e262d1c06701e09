-- Customers' own bank accounts of every ERP kind, in one shape.
{{ united('bank_accounts') }}
