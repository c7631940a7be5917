"""The harness: any implementation, a program in any language or a function, asked and judged."""
