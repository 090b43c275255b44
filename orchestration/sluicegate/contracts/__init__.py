"""What we agree to receive: one ODCS v3.1 data contract a source.

Belongs here: contract files and what they say. Does not belong here: files that land (`ingestion`).
"""
