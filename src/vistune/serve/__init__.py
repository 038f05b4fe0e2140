"""One model behind an OpenAI-compatible HTTP server: `vistune serve`."""
