"""How sure a measured accuracy is, and a difference between two networks on the same images.

`fixed_sample`: intervals and tests for a number of images that was set beforehand. `prior_posterior` and `betting`:
confidence sequences, which may be looked at after every image, so that it is no error to stop when enough is known.
"""
