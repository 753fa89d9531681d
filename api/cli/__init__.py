"""The `transitive` command and the local stack that it starts."""
