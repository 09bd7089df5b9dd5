"""Users' own callables, in processes of their own."""
