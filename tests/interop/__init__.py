"""Other connectors, run as they are, to trade with."""
