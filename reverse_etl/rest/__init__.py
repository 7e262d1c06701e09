"""Writing to a REST target that is described in ledgerloop.toml alone."""
