"""Promises, named so, kept on real parts where an issue names them."""
