"""Vaults: who keeps passwords for people."""
