"""Pictures from diffusion models: checked requests, samplers, masks, previews, metadata and the run itself."""
