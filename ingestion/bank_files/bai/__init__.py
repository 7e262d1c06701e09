"""BAI2 cash reporting: records, amounts and type codes."""
