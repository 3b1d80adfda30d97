"""Servers on loopback that speak the APIs of model providers: OpenAI's chat completions and Anthropic's messages."""
