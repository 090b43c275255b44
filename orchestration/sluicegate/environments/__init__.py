"""Environments of people: made from what production publishes, and gone after their time.

Belongs here: making, building, listing and removing them. Does not belong here: what is published
(`publishing`), commands (`cli`).
"""
