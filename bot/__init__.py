"""Rekey's work, and whoever it works with: every verb of the product and every outside system it speaks to."""
