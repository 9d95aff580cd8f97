"""Prometheus and Alertmanager as Debian packs them, on the files that ztrade ships."""
