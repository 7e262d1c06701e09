"""WHEN: one loop, run by Dagster or the command line. No SQL and no field names stand here."""
