"""Drafts of contracts and export files, made of samples and models, for a person to go through.

Belongs here: guesses. Does not belong here: what a finished file says (`contracts`, `delivery.export_files`).
"""
