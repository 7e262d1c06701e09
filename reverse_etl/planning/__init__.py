"""Planning: the three-way diff, policy, approvals and guards; pure but for DuckDB."""
