"""The pretend world: stand-ins that speak the vendors' own protocols, for the demo and for the tests."""
