"""From a batch of segments to a matrix: one engine job, halved where one of them makes it fail."""
