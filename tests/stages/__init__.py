"""Stages of definitions: work beside production, in one project."""
