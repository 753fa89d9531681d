"""Load tests of a whole stack over HTTP. They take minutes and are run by hand: `make load`."""
