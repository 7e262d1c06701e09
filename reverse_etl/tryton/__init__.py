"""Tryton as a target: payments, their application, credit notes, limits and orders."""
