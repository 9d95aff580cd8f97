"""What only a real systemd can show: Debian 12 in a container of its own, with the package installed."""
