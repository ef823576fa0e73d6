"""What players are made of: a file for each family of architectures."""
