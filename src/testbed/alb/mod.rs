//! The load balancer: one node a zone, each a set of child processes that share its address.
