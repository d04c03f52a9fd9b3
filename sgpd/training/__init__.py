"""Training of learned sparsifiers: what of the method needs torch, encoders apart."""
