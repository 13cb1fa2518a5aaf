"""Text models: checked requests, prompts that fit, streamed answers, label scores and token counts."""
