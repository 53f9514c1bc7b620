"""Exact sums of products on torch: which ways are proven and what each costs, and the kernels that take them."""
