"""Stand-ins for the public services, on loopback, for the real client libraries to status_console to; see `base`."""
