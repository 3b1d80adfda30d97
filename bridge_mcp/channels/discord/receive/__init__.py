"""The receiving half: events become arrivals, and what was said while nobody listened is read afterwards."""
