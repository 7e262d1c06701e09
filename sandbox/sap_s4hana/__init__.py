"""Kind ``sap_s4hana``: SAP S/4HANA Cloud's OData v2 and journal entry SOAP over a real ledger.

The wire follows the project's contract sheet for ERPs; ``README.md`` beside this file says what is
served, from which evidence, and which switches stand for what nobody could verify.
"""

from sandbox.sap_s4hana.app import SapApp, create_app
from sandbox.sap_s4hana.settings import SapCompany, SapSettings, settings_for
from sandbox.sap_s4hana.state import SapState

__all__ = [
    "SapApp",
    "SapCompany",
    "SapSettings",
    "SapState",
    "Settings",
    "create_app",
    "settings_for",
]

#: The name under which the server looks for a kind's settings.
Settings = SapSettings
