"""Readers: one module a format, each giving the engine a relation of what the files hold.

Belongs here: how a format is read, and where in a file a row stands. Does not belong here: types of the
contract, rules, masking, quarantine; they are the same for every format (`ingestion`).
"""
