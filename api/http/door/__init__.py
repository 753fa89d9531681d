"""Access checks and limits of the HTTP API: hosts, keys, login, rates, security headers, slow clients."""
