"""The pretend Slack: a workspace in one process, strict where the real one is, for the demo and for the tests."""
