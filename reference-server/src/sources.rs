//! Who may open connections: the inbound rules of the network, by source address.

use std::net::IpAddr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// The sources that may open connections to an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sources {
    /// Everyone: there is no network around the server that has rules.
    #[default]
    Anyone,
    /// What the rules of the network admit.
    Rules {
        /// The networks whose addresses may connect.
        admitted: Vec<Ipv4Net>,
        /// All networks that the rules know.
        known: Vec<Ipv4Net>,
        /// Whether every other address may connect.
        others: bool,
    },
}

impl Sources {
    /// Whether an address may open a connection.
    pub fn admit(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Anyone, _) => true,
            (
                Self::Rules {
                    admitted,
                    known,
                    others,
                },
                IpAddr::V4(address),
            ) => {
                let is_in = |nets: &[Ipv4Net]| nets.iter().any(|net| net.contains(&address));
                is_in(admitted) || (*others && !is_in(known))
            }
            (Self::Rules { others, .. }, IpAddr::V6(_)) => *others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(others: bool) -> Sources {
        let nets = |all: &[&str]| all.iter().map(|net| net.parse().unwrap()).collect();
        Sources::Rules {
            admitted: nets(&["127.0.1.0/24"]),
            known: nets(&["127.0.1.0/24", "127.0.11.0/24"]),
            others,
        }
    }

    #[test]
    fn only_the_admitted_networks_may_connect() {
        let may = |sources: &Sources, address: &str| sources.admit(address.parse().unwrap());
        let (load_balancer, instance, stranger) = ("127.0.1.4", "127.0.11.4", "127.1.0.1");
        let closed = rules(false);
        assert!(may(&closed, load_balancer));
        assert!(!may(&closed, instance) && !may(&closed, stranger) && !may(&closed, "::1"));
        let public = rules(true);
        assert!(may(&public, load_balancer) && may(&public, stranger));
        assert!(
            !may(&public, instance),
            "the rules know it and do not name it"
        );
        assert!(may(&Sources::Anyone, instance));
    }
}
