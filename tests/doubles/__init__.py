"""Stand-ins for the vendors' services: stateful, strict, with faults that a test switches on.

Belongs here: what a vendor publishes about its interface, as a server. Does not: any expectation of a test.
"""
