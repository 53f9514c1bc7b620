"""Memory images: the constants of a network as the files that simulators and FPGA tools fill memories from."""
