"""Measurements of the product, each beside what else does the same work. Run by ``make bench``."""
