"""An artifact against its model: inputs to try, programs that serve it, and what differs where."""
