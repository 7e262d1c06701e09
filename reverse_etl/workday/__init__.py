"""Workday Financial Management as a target; see README.md for what is written and how."""
