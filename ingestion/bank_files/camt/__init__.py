"""ISO 20022 cash management messages: one reader for camt.052, camt.053 and camt.054.

The three share everything below their container, so each format module only names its container
and what the message may claim.
"""
