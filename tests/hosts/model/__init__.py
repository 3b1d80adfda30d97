"""A scripted model on this machine, in the four dialects that command-line hosts speak to theirs."""
