"""Programs as subjects: whoever reads a line of JSON and answers it with one (`conformance/PROTOCOL.md`)."""
