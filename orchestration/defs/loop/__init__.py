"""The loop as assets, checks, a job and a schedule."""
