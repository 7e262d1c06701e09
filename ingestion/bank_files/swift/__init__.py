"""SWIFT MT940 and MT942 messages in the forms banks really send them."""
