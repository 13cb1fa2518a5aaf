"""Functions that a text model may call: what they are, how models are told, how calls are read, checked and run."""
