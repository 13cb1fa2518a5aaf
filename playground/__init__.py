"""Playground: try text models and image models side by side, on your own prompts and hardware."""

__version__ = "0.1.0"

import os

# ONNX Runtime's own builds report home unless told otherwise, and diffusers imports them wherever they are installed.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
