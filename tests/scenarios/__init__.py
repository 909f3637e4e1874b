"""Whole stories in which several things go wrong at once."""
