"""The sets of the sandbox by business area, each with its rules."""
