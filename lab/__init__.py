"""Latent Lab: train text VAEs and see what their latent space does."""
