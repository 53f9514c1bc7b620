"""SystemVerilog of a network: a module for each group of steps, streams between them, memories read by $readmemh."""
