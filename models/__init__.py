"""What a detector is: cards, weights, preparing an image, reading the heads."""
