"""The pages of the console: one module and its templates each."""
