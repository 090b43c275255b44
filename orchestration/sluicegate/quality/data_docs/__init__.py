"""Great Expectations' Data Docs, made of what was kept; nothing is judged here."""
