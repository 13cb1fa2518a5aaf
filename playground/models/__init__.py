"""The shared model loader: the only code that loads, moves or frees a model."""
