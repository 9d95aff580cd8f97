"""Metrics for Prometheus: every source is looked at in the background, a scrape is answered from memory."""

#: it is this machine's alone: whoever scrapes from elsewhere goes through a proxy with a login
HOST = "127.0.0.1"
