"""All settings: what each means, where they come from, what is wrong with them."""
