-- Balances of G/L accounts of every ERP kind, in one shape.
{{ united('gl_balances') }}
