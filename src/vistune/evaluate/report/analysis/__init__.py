"""What answers show besides their figure: where they are worse, how they lean, and the worst of them."""
