"""The whole bot in a real browser, as somebody meets it who has never seen it."""
