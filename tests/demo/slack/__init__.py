"""Promises of the pretend Slack: what Slack refuses it refuses, what people see it shows."""
