"""Kind ``workday``: Revenue Management over SOAP, customerAccounts over REST, reports as a service.

The wire follows the project's contract sheet for ERPs; ``README.md`` beside this file says what is
served, from which evidence, and which switches stand for what nobody could verify.
"""

from sandbox.workday.app import WorkdayApp, create_app
from sandbox.workday.settings import WorkdayCompany, WorkdaySettings, settings_for

__all__ = [
    "Settings",
    "WorkdayApp",
    "WorkdayCompany",
    "WorkdaySettings",
    "create_app",
    "settings_for",
]

#: The name under which the server looks for a kind's settings.
Settings = WorkdaySettings
