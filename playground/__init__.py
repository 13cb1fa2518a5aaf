"""Playground: try text models and image models side by side, on your own prompts and hardware."""

__version__ = "0.1.0"
