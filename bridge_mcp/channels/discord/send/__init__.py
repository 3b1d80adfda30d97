"""The sending half: actions become requests, within the limits that Discord tells."""
