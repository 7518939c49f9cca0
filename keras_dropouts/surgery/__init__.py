"""What is done to a whole model: noise found, rates set, layers replaced, weights carried over."""
