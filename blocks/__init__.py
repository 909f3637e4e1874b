"""Pictures out, values in: Block Kit drawn from plain values. No clock, no I/O, no queries."""
