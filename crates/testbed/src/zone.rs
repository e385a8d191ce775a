//! Addresses of the zones on this machine.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// First usable host of a subnet: AWS reserves the network address and the three after it.
pub(super) const FIRST_HOST: u32 = 4;

/// Maps a host of a subnet to loopback: host 4 of 10.0.11.0/24 is 127.0.11.4. Hosts wrap around at the end of the subnet;
/// AWS reserves the last address.
pub(super) fn on_loopback(subnet: Ipv4Net, host: u32) -> Ipv4Addr {
    let size = 1_u32 << (32 - u32::from(subnet.prefix_len()));
    let usable = size.saturating_sub(FIRST_HOST + 1).max(1);
    let host = FIRST_HOST + host.saturating_sub(FIRST_HOST) % usable;
    let [_, b, c, d] = Ipv4Addr::from(u32::from(subnet.network()) + host).octets();
    Ipv4Addr::new(127, b, c, d)
}

/// Maps a subnet to loopback: 10.0.11.0/24 is 127.0.11.0/24.
pub(super) fn net_on_loopback(subnet: Ipv4Net) -> Ipv4Net {
    let [_, b, c, d] = subnet.network().octets();
    let network = Ipv4Addr::new(127, b, c, d);
    Ipv4Net::new(network, subnet.prefix_len()).expect("the prefix is that of a subnet")
}

/// The address of the VPC's router in a subnet: the first host, which AWS reserves for it.
pub(super) fn router_of(subnet: Ipv4Net) -> Ipv4Addr {
    let [_, b, c, d] = Ipv4Addr::from(u32::from(subnet.network()) + 1).octets();
    Ipv4Addr::new(127, b, c, d)
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
            "AWS reserves the last address"
        );
        assert_eq!(on_loopback(subnet, 0), Ipv4Addr::new(127, 0, 11, 4));
    }
}
