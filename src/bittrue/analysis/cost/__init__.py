"""What a plan costs in hardware, beside the accuracy that it holds."""
