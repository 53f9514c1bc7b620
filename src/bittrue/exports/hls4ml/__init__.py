"""The export to hls4ml: its layers, with every precision written out."""
