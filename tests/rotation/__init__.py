"""The engine's promises, on practice directories (fast) and, in `test_on_samba`, on real domain controllers."""
