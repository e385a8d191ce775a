//! What the run costs, line by line.
