//! Engine 1: real traffic to a real system, in wall time.
