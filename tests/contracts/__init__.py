"""One suite of promises per port, run on every implementation: stand-in and real server alike."""
