//! What went out of the VPC: which way, how often, how many bytes, and when there was no way.

use serde::{Deserialize, Serialize};
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_cost::TrafficSample;
use tiketi_cost::item::Item;

use crate::lookup::{Path, Refusal};
use crate::party::Party;

/// Where instances send calls outside the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// The payment provider.
    Provider,
    /// S3.
    S3,
}

impl Destination {
    /// All destinations.
    pub const ALL: [Self; 2] = [Self::Provider, Self::S3];

    /// Returns who is there.
    pub const fn party(self) -> Party {
        match self {
            Self::Provider => Party::Internet,
            Self::S3 => Party::S3,
        }
    }
}

/// The way that a call took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Along this path.
    Open(Path),
    /// There was none.
    Closed,
}

/// How instances of one zone called one destination on one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Zone of the instances.
    pub zone: ZoneId,
    /// Where the calls went.
    pub to: Destination,
    /// Which way.
    pub way: Way,
    /// Attempts to call.
    pub calls: u64,
    /// When the first one was made.
    pub first: SimTime,
    /// When the last one was made.
    pub last: SimTime,
    /// Bytes from the instances.
    #[serde(default)]
    pub bytes_out: u64,
    /// Bytes to them.
    #[serde(default)]
    pub bytes_back: u64,
}

impl Use {
    /// What its bytes are billed as, and how many of them: both zones pay for what crosses from one to the other. Traffic to S3
    /// in the same region is no transfer to the internet (documented: EC2 data transfer).
    pub fn billed(&self) -> Vec<(Item, u64)> {
        let both = self.bytes_out + self.bytes_back;
        let Way::Open(path) = self.way else {
            return Vec::new();
        };
        let bytes = |item: &Item| match item {
            Item::DataOut | Item::DataOutNat => match self.to {
                Destination::Provider => self.bytes_out,
                Destination::S3 => 0,
            },
            Item::CrossZone => 2 * both,
            _ => both,
        };
        path.items()
            .iter()
            .map(|item| (*item, bytes(item)))
            .collect()
    }
}

/// Everything that instances sent out of the VPC.
#[derive(Clone, Debug, Default)]
pub struct OutboundLog {
    uses: Vec<Use>,
    traffic: TrafficSample,
}

impl OutboundLog {
    /// Notes an attempt of an instance in `zone` to call.
    pub fn handle_call(
        &mut self,
        now: SimTime,
        (zone, to): (ZoneId, Destination),
        path: Result<Path, Refusal>,
    ) {
        let way = path.map_or(Way::Closed, Way::Open);
        let same = |one: &&mut Use| (one.zone, one.to, one.way) == (zone, to, way);
        // There are few: two destinations, and as many ways as gateways.
        if let Some(one) = self.uses.iter_mut().find(same) {
            one.calls += 1;
            one.last = now;
            return;
        }
        self.uses.push(Use {
            zone,
            to,
            way,
            calls: 1,
            first: now,
            last: now,
            bytes_out: 0,
            bytes_back: 0,
        });
    }

    /// Counts bytes of a call from an instance in `zone`: `out` from the instance, `back` to it.
    pub fn handle_bytes(
        &mut self,
        (zone, to): (ZoneId, Destination),
        path: Path,
        (out, back): (u64, u64),
    ) {
        let way = Way::Open(path);
        let same = |one: &&mut Use| (one.zone, one.to, one.way) == (zone, to, way);
        if let Some(one) = self.uses.iter_mut().find(same) {
            one.bytes_out += out;
            one.bytes_back += back;
        }
        let both = out + back;
        let traffic = &mut self.traffic;
        if to == Destination::S3 {
            traffic.s3_bytes += both;
        }
        match path {
            Path::NatGateway { is_detour, .. } => {
                match to {
                    Destination::Provider => {
                        traffic.nat_bytes += both;
                        traffic.internet_bytes_out += out;
                    }
                    // Traffic to S3 in the same region is no transfer to the internet (documented: EC2 data transfer).
                    Destination::S3 => traffic.s3_nat_bytes += both,
                }
                if is_detour {
                    traffic.detour_bytes += both;
                }
            }
            Path::InternetGateway => match to {
                Destination::Provider => traffic.internet_bytes_out += out,
                Destination::S3 => {}
            },
            // The endpoint is free, and nothing outside the VPC is local.
            Path::Endpoint | Path::Local { .. } => {}
        }
    }

    /// Counts an upload that S3 has accepted.
    pub const fn handle_upload(&mut self) {
        self.traffic.s3_puts += 1;
    }

    /// Returns the traffic since the last call.
    pub fn take_traffic(&mut self) -> TrafficSample {
        std::mem::take(&mut self.traffic)
    }

    /// Returns all uses so far, by zone and destination, and in the order of their first call.
    pub fn uses(&self) -> Vec<Use> {
        let mut uses = self.uses.clone();
        uses.sort_by_key(|one| (one.zone, one.to, one.first));
        uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ZoneId = ZoneId(0);

    fn nat(zone: u8, is_detour: bool) -> Path {
        let zone = ZoneId(zone);
        Path::NatGateway { zone, is_detour }
    }

    #[test]
    fn each_way_has_its_first_and_its_last_call() {
        let mut log = OutboundLog::default();
        let to = (A, Destination::Provider);
        let lost = Err(Refusal::GatewayLost { zone: A });
        let at = SimTime::from_secs;
        log.handle_call(at(1), to, Ok(nat(0, false)));
        log.handle_call(at(5), to, lost);
        log.handle_call(at(9), to, lost);
        log.handle_call(at(12), to, Ok(nat(1, true)));
        let shown: Vec<_> = log.uses();
        let shown = shown
            .iter()
            .map(|one| (one.way, one.calls, one.first, one.last));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                (Way::Open(nat(0, false)), 1, at(1), at(1)),
                (Way::Closed, 2, at(5), at(9)),
                (Way::Open(nat(1, true)), 1, at(12), at(12)),
            ]
        );
    }

    #[test]
    fn each_way_has_its_bytes_and_what_they_are_billed_as() {
        let mut log = OutboundLog::default();
        let now = SimTime::from_secs(1);
        for (to, way) in [
            (Destination::Provider, Ok(nat(1, true))),
            (Destination::S3, Ok(nat(0, false))),
            (Destination::S3, Ok(Path::Endpoint)),
            (Destination::Provider, Err(Refusal::GatewayLost { zone: A })),
        ] {
            log.handle_call(now, (A, to), way);
            if let Ok(path) = way {
                log.handle_bytes((A, to), path, (10, 5));
                log.handle_bytes((A, to), path, (20, 0));
            }
        }
        let billed: Vec<_> = log.uses().iter().map(Use::billed).collect();
        assert_eq!(
            billed,
            [
                vec![
                    (Item::NatTraffic, 35),
                    (Item::DataOutNat, 30),
                    (Item::CrossZone, 70),
                ],
                vec![],
                vec![(Item::NatTraffic, 35), (Item::DataOutNat, 0)],
                vec![(Item::EndpointTraffic, 35)],
            ]
        );
    }

    #[test]
    fn bytes_are_counted_by_what_each_path_costs() {
        let count = |path, to| {
            let mut log = OutboundLog::default();
            log.handle_bytes((A, to), path, (10, 5));
            log.take_traffic()
        };
        let (provider, s3) = (Destination::Provider, Destination::S3);
        let by_nat = count(nat(0, false), provider);
        assert_eq!((by_nat.nat_bytes, by_nat.internet_bytes_out), (15, 10));
        assert_eq!(by_nat.detour_bytes, 0);
        assert_eq!(count(nat(1, true), provider).detour_bytes, 15);
        assert_eq!(count(Path::InternetGateway, provider).nat_bytes, 0);
        let free = count(Path::Endpoint, s3);
        assert_eq!((free.s3_bytes, free.s3_nat_bytes), (15, 0));
        let paid = count(nat(0, false), s3);
        assert_eq!((paid.s3_bytes, paid.s3_nat_bytes), (15, 15));
        assert_eq!((paid.nat_bytes, paid.internet_bytes_out), (0, 0));
    }
}
