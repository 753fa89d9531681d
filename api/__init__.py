"""The interfaces: the HTTP service, the pages, the client and the `transitive` command."""
