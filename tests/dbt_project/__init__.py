"""Tests of the dbt project: one build of one small warehouse, read many times."""
