//! The DNS records of the authoritative name server, with the TTLs of Route 53.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;
use std::time::Duration;

/// All names of the architecture.
#[derive(Clone, Debug, Default)]
pub struct NameService {
    records: BTreeMap<String, RecordSet>,
    /// Alias records: name and target.
    aliases: BTreeMap<String, (String, Duration)>,
}

/// Who can look a name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody: the site, the edge, the load balancer.
    Public,
    /// The VPC only: endpoints of the data tier.
    Private,
}

/// The addresses behind one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSet {
    /// How long an answer may be cached (TTL), in scenario time.
    pub ttl: Duration,
    /// The addresses, in the order they were added.
    pub addresses: Vec<Ipv4Addr>,
    /// Who can look it up.
    pub visibility: Visibility,
}

impl NameService {
    /// Adds a public name without addresses, or changes the TTL of an existing one.
    pub fn define(&mut self, name: &str, ttl: Duration) {
        self.insert(name, ttl, Visibility::Public);
    }

    /// Adds the name of an endpoint in the VPC, or changes its TTL.
    pub fn define_endpoint(&mut self, name: &str, ttl: Duration) {
        self.insert(name, ttl, Visibility::Private);
    }

    /// Adds a public alias record: its answer has the addresses of another name, and a TTL of its own. Unlike a CNAME, it does
    /// not show that name, and the top of a domain may have one.
    pub fn alias(&mut self, name: &str, target: &str, ttl: Duration) {
        let (name, target) = (name.to_ascii_lowercase(), target.to_ascii_lowercase());
        self.aliases.insert(name, (target, ttl));
    }

    fn insert(&mut self, name: &str, ttl: Duration, visibility: Visibility) {
        self.records
            .entry(name.to_ascii_lowercase())
            .or_insert_with(|| RecordSet {
                ttl,
                addresses: Vec::new(),
                visibility,
            })
            .ttl = ttl;
    }

    /// Adds an address to a name: a load-balancer node has come up. Does nothing if the name is not defined.
    pub fn add(&mut self, name: &str, address: Ipv4Addr) {
        if let Some(record) = self.records.get_mut(name)
            && !record.addresses.contains(&address)
        {
            record.addresses.push(address);
        }
    }

    /// Removes an address from a name: a load-balancer node has failed its health checks.
    pub fn remove(&mut self, name: &str, address: Ipv4Addr) {
        if let Some(record) = self.records.get_mut(name) {
            record.addresses.retain(|&known| known != address);
        }
    }

    /// Points a name at one address: the current primary behind an endpoint.
    pub fn point(&mut self, name: &str, address: Ipv4Addr) {
        if let Some(record) = self.records.get_mut(name) {
            record.addresses = vec![address];
        }
    }

    /// Returns the record set of a name (lower case, without the final dot); `None` if the name does not exist.
    pub fn lookup(&self, name: &str) -> Option<RecordSet> {
        if let Some((target, ttl)) = self.aliases.get(name) {
            let record = self.records.get(target)?;
            return Some(RecordSet {
                ttl: *ttl,
                ..record.clone()
            });
        }
        self.records.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE_A: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 10);
    const NODE_B: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 10);

    #[test]
    fn a_load_balancer_name_has_one_address_for_each_live_node() {
        let mut names = NameService::default();
        names.define("alb.test", Duration::from_secs(60));
        names.add("alb.test", NODE_A);
        names.add("alb.test", NODE_B);
        names.add("alb.test", NODE_B);
        assert_eq!(
            names.lookup("alb.test").unwrap().addresses,
            [NODE_A, NODE_B]
        );
        names.remove("alb.test", NODE_A);
        assert_eq!(names.lookup("alb.test").unwrap().addresses, [NODE_B]);
    }

    #[test]
    fn an_endpoint_points_at_its_current_primary_only() {
        let mut names = NameService::default();
        names.define("redis.test", Duration::from_secs(5));
        names.point("redis.test", NODE_A);
        names.point("redis.test", NODE_B);
        let record = names.lookup("redis.test").unwrap();
        assert_eq!(record.addresses, [NODE_B]);
        assert_eq!(record.ttl, Duration::from_secs(5));
    }

    #[test]
    fn an_alias_has_the_addresses_of_its_target_and_a_ttl_of_its_own() {
        let mut names = NameService::default();
        names.alias("site.test", "edge.test", Duration::from_secs(60));
        assert_eq!(names.lookup("site.test"), None, "it leads nowhere yet");
        names.define("edge.test", Duration::from_secs(5));
        names.add("edge.test", NODE_A);
        let record = names.lookup("site.test").unwrap();
        assert_eq!(record.addresses, [NODE_A]);
        assert_eq!(record.ttl, Duration::from_secs(60));
        assert_eq!(record.visibility, Visibility::Public);
        names.define_endpoint("redis.test", Duration::from_secs(5));
        let endpoint = names.lookup("redis.test").unwrap();
        assert_eq!(endpoint.visibility, Visibility::Private);
    }

    #[test]
    fn a_name_that_was_never_defined_does_not_exist() {
        let mut names = NameService::default();
        names.add("stray.test", NODE_A);
        assert_eq!(names.lookup("stray.test"), None);
    }
}
