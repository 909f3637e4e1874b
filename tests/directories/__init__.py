"""Directories, each on its own real server or a strict stand-in."""
