//! Addresses of the zones on this machine, and what fails with a zone.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::{ALB_NAME, Testbed, TestbedError};
use tiketi_core::units::{SimTime, ZoneId};

/// Scenario time from the loss of a load-balancer node to the record without its address: three missed health checks
/// of Route 53 at 10 s. AWS does not document the figure for load-balancer names.
pub const NODE_EVICTION: Duration = Duration::from_secs(30);

/// First host of a subnet that may be used: AWS keeps the network address and the three after it.
pub(super) const FIRST_HOST: u32 = 4;

/// A host of a subnet, moved to loopback: host 4 of 10.0.11.0/24 is 127.0.11.4. Hosts wrap around at the end of the
/// subnet; the last address is AWS's own.
pub(super) fn on_loopback(subnet: Ipv4Net, host: u32) -> Ipv4Addr {
    let size = 1_u32 << (32 - u32::from(subnet.prefix_len()));
    let usable = size.saturating_sub(FIRST_HOST + 1).max(1);
    let host = FIRST_HOST + host.saturating_sub(FIRST_HOST) % usable;
    let [_, b, c, d] = Ipv4Addr::from(u32::from(subnet.network()) + host).octets();
    Ipv4Addr::new(127, b, c, d)
}

impl Testbed {
    /// Takes everything in a zone at once: load-balancer node, instances, servers of the data tier.
    pub(super) fn lose_zone(&mut self, now: SimTime, zone: ZoneId) {
        self.lost_zones.insert(zone);
        self.fleet.lose_zone(zone);
        self.data_tier.lose_zone(now, zone);
        self.lose_node(zone);
    }

    /// Takes the load-balancer node of a zone. Its address leaves the DNS record [`NODE_EVICTION`] later.
    pub(super) fn lose_node(&mut self, zone: ZoneId) {
        let news = self.balancer.kill_node(zone);
        self.take(news);
        let names = self.name_server.names();
        let address = self.node_addresses[zone.index()];
        let delay = NODE_EVICTION.div_f64(self.speed);
        let eviction = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            super::lock(&names).remove(ALB_NAME, address);
        });
        if let Some(earlier) = self.evictions.insert(zone, eviction.abort_handle()) {
            earlier.abort();
        }
    }

    /// Brings a zone back, without instances: its load-balancer node and its servers of the data tier start again.
    pub(super) fn restore_zone(&mut self, now: SimTime, zone: ZoneId) -> Result<(), TestbedError> {
        if !self.lost_zones.remove(&zone) {
            return Ok(());
        }
        self.data_tier.restore_zone(zone);
        self.restore_node(now, zone)
    }

    /// Starts the load-balancer node of a zone again; its address returns to the DNS record once it listens.
    pub(super) fn restore_node(&mut self, now: SimTime, zone: ZoneId) -> Result<(), TestbedError> {
        if let Some(eviction) = self.evictions.remove(&zone) {
            eviction.abort();
        }
        super::lock(&self.name_server.names()).remove(ALB_NAME, self.node_addresses[zone.index()]);
        self.balancer
            .start_node(now, zone)
            .map_err(|source| TestbedError::Node { zone, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_keep_their_shape_on_loopback() {
        let subnet = "10.0.11.0/24".parse().unwrap();
        assert_eq!(on_loopback(subnet, 4), Ipv4Addr::new(127, 0, 11, 4));
        assert_eq!(on_loopback(subnet, 254), Ipv4Addr::new(127, 0, 11, 254));
        assert_eq!(
            on_loopback(subnet, 255),
            Ipv4Addr::new(127, 0, 11, 4),
            "the last address is AWS's own"
        );
        assert_eq!(on_loopback(subnet, 0), Ipv4Addr::new(127, 0, 11, 4));
    }
}
