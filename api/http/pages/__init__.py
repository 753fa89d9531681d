"""Pages to add, look at, search and correct what the system holds: server-rendered, with scripts for what moves."""
