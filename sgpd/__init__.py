"""The SGPD method on plain arrays: codebook, codes, lexicon, guide, cells, bundle."""
