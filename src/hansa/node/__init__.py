"""A node: the process that hosts participants. The only place that knows every room."""
