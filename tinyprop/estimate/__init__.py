"""From configurations and runs to what is modelled of them; `tinyprop.cost`, which this asks, knows of neither."""
