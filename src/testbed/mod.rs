//! The local AWS: names, load balancer, instances, data tier, and what of them fails together.

pub mod alb;
pub mod budget;
pub mod dns;
