"""A model hub on loopback, real enough for its own client library."""
