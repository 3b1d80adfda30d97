"""Chat platforms: one adapter each, knowing its own SDK and nothing of the engine."""
