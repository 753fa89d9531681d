"""The commands of `transitive`, one file a family; each has `register(app)`."""
