"""What storage promises, on every database it runs on."""
