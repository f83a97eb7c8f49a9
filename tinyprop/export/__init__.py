"""A trained network as a C project that goes on learning on a microcontroller: `tinyprop export`."""
