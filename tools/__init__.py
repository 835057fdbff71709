"""Programs that keep the project in order; they are no part of the product."""
