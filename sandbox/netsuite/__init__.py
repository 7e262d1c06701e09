"""Kind ``netsuite``: Oracle NetSuite's SuiteTalk REST services over a real ledger.

The wire follows the project's contract sheet for ERPs; ``README.md`` beside this file says what is
served, from which evidence, and which switches stand for what nobody could verify.
"""

from sandbox.netsuite.app import NetSuiteApp, create_app
from sandbox.netsuite.settings import NetSuiteSettings, Subsidiary, settings_for

__all__ = [
    "NetSuiteApp",
    "NetSuiteSettings",
    "Settings",
    "Subsidiary",
    "create_app",
    "settings_for",
]

#: The name under which the server looks for a kind's settings.
Settings = NetSuiteSettings
