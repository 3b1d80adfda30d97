"""Operations on the store that any process may do, engine or not: verdicts, commands, tickets, the inbox."""
