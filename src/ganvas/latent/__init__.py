"""What can be done with the latents of a game that is trained."""
