"""Kind ``dynamics365_finance``: Dynamics 365 Finance's OData v4 over a real ledger.

The wire follows the project's contract sheet for ERPs; ``README.md`` beside this file says what is
served, from which evidence, and which switches stand for what nobody could verify.
"""

from sandbox.dynamics365_finance.app import D365App, create_app
from sandbox.dynamics365_finance.settings import D365Company, D365Settings, settings_for
from sandbox.dynamics365_finance.state import D365State

__all__ = [
    "D365App",
    "D365Company",
    "D365Settings",
    "D365State",
    "Settings",
    "create_app",
    "settings_for",
]

#: The name under which the server looks for a kind's settings.
Settings = D365Settings
