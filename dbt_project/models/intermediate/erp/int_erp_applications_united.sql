-- What was applied to which item, when, where an ERP applies parts of items of every ERP kind, in one shape.
{{ united('applications') }}
