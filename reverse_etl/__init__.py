"""WRITE: decides what the money means, plans differences, records, sends and proves commands."""
