"""Tests of how Tryton joins the sandbox."""
