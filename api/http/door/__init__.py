"""Who and what is let in: hosts, keys, login, limits, security headers, slow clients."""
