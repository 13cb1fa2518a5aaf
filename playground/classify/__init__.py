"""Classifying many texts with several models: texts in, runs over an Engine it is handed, figures and tables out."""
