"""What every process may do on the store, engine or not: verdicts, commands, tickets, the inbox. Knows only ports."""
