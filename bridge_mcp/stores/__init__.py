"""Where logs are kept: one adapter per database, all under one contract suite."""
