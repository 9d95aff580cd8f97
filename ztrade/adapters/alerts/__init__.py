"""Where messages for people go: Slack's incoming webhooks, and e-mail. Each is imported by itself."""
