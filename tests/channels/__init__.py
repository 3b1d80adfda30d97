"""One suite of behaviours over all channels, through the whole bridge, each on its platform's server on loopback."""
