"""Remittance advices that people send as tables: CSV and Excel workbooks."""
