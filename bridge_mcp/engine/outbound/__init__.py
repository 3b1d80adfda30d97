"""Everything that goes out beside turns: messages, files, approval prompts, reminders, typing."""
