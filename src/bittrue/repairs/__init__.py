"""Better weights without training: each repair a function (network, plan, data) → repaired network."""
