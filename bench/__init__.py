"""How fast it is, measured on this machine: each module here has `run`, which returns its figures as lines."""
