-- Parts applied of items, when and by what, of every ERP kind, in one shape.
{{ united('applications') }}
