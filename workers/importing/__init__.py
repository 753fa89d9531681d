"""Tracks that another detector or tracker made: readers of their files, and the choice of pairs A, A' from them."""
