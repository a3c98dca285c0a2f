"""What is behind mailed links."""
