"""Tests of delivery: what is sent, where, under which promise."""
