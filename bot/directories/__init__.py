"""Directories: who checks a password. One file or folder per vendor, all behind the port in `base`."""
