"""A Salesforce org on loopback: REST, collections, Bulk API 2.0, SOQL and the four logins."""

from sandbox.salesforce.app import SalesforceApp, create_app
from sandbox.salesforce.settings import Settings

__all__ = ["SalesforceApp", "Settings", "create_app"]
