"""One adapter per ERP kind, found by looking: ``benches/<kind>.py`` offers ``Bench``."""
