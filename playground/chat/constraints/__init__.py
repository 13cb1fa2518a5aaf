"""Answers that fit a JSON Schema, a regular expression, a list of choices or a grammar."""
