"""Stand-ins for the public services, on loopback, for the real client libraries to talk to; see `base`."""
