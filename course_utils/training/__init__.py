"""The short trainings that lessons, benches and model recipes share."""
