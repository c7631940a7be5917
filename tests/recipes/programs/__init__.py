"""Code as people write it, in structures that are widely taught."""
