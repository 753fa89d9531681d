"""How people get in: the HTTP service, the pages, the client and the `transitive` command."""
