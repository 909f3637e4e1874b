"""kill -9 at every boundary of a rotation, in a real child process, on real domain controllers."""
