"""What the chapters say of themselves, and what is made from it."""
