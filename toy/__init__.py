"""The 2-D clustering experiments of iVAE and CL-VAE: other data and networks, the same methods and
loop.
"""
