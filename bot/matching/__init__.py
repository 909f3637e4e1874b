"""Matching accounts to password records: a write path, so what belongs together is exact or a person's word."""
