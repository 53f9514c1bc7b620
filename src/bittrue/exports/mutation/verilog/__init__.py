"""Mutations of the exported Verilog: memories, and the parameters of the library's modules."""
