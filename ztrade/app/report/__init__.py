"""One self-contained HTML page about what the agents did: no network, no script, fit for phones and the dark."""
