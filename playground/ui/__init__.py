"""The page and the public API: the only folder that imports gradio."""
