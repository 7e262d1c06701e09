-- Credit limits with their kind of every ERP kind, in one shape.
{{ united('credit_limits') }}
