"""Where the bodies are, and how long and at what moment arm the muscles pull."""
