"""Many prompts over several models: read from files, run side by side, kept as they come, resumed, judged, exported."""
