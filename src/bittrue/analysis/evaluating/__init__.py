"""The evaluation of a network on images: batches, metrics, and the store of what is finished."""
