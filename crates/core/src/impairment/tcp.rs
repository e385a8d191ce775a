//! What TCP makes of late and lost packets: the delay of a transfer.
//!
//! A lost segment is sent again when its retransmission timeout (RTO) has passed, and the timeout doubles with each further
//! loss (documented: RFC 6298). The constants are Linux's (documented: `include/net/tcp.h`, `ip-sysctl`).
//!
//! Left out: fast retransmit and tail loss probes, which repair a loss sooner when other segments follow it, and the congestion
//! window, which shrinks with each loss. Requests and most responses of a sale fit into one segment, where neither matters. Of
//! a longer transfer, the segment with the most losses decides.

use std::time::Duration;

use rand::RngExt;

use super::Quality;
use crate::rng::Stream;

/// The shortest retransmission timeout (`TCP_RTO_MIN`). The round-trip time of the path is added to it.
pub const RTO_MIN: Duration = Duration::from_millis(200);
/// The longest retransmission timeout (`TCP_RTO_MAX`).
pub const RTO_MAX: Duration = Duration::from_secs(120);
/// Retransmissions after which a connection is given up (`tcp_retries2`); together they take more than 15 minutes.
pub const RETRIES: u32 = 15;
/// Timeout of the first packet of a handshake (`TCP_TIMEOUT_INIT`, RFC 6298).
pub const SYN_RTO: Duration = Duration::from_secs(1);
/// Retransmissions after which a connection attempt is given up (`tcp_syn_retries`); together they take 127 s.
pub const SYN_RETRIES: u32 = 6;
/// Bytes of a full segment: Ethernet's 1,500 without the headers of IP and TCP.
pub const SEGMENT: u64 = 1_460;

/// Draws how much longer `bytes` take in one direction than on a clear path. What is lost too often is given up; the result
/// is then longer than anybody waits.
pub fn transfer(quality: Quality, bytes: u64, draws: &mut Stream) -> Duration {
    if quality.is_clear() {
        return Duration::ZERO;
    }
    let lost = losses(
        quality.loss.get(),
        bytes.div_ceil(SEGMENT).max(1),
        RETRIES,
        draws,
    );
    let rto = RTO_MIN + 2 * quality.delay;
    one_way(quality, draws) + backoff(lost, rto)
}

/// Draws how much longer a request and its response take together than on a clear path.
pub fn exchange(quality: Quality, (request, response): (u64, u64), draws: &mut Stream) -> Duration {
    transfer(quality, request, draws) + transfer(quality, response, draws)
}

/// Draws how much longer a new connection takes than on a clear path: both the first packet and its answer must arrive.
pub fn handshake(quality: Quality, draws: &mut Stream) -> Duration {
    if quality.is_clear() {
        return Duration::ZERO;
    }
    let arrives = 1.0 - quality.loss.get();
    let lost = losses(1.0 - arrives * arrives, 1, SYN_RETRIES, draws);
    one_way(quality, draws) + one_way(quality, draws) + backoff(lost, SYN_RTO)
}

/// Draws the delay of one packet that arrives.
fn one_way(quality: Quality, draws: &mut Stream) -> Duration {
    if quality.jitter.is_zero() {
        return quality.delay;
    }
    let earliest = quality.delay.saturating_sub(quality.jitter);
    let latest = quality.delay + quality.jitter;
    earliest + (latest - earliest).mul_f64(draws.random())
}

/// Draws how often the unluckiest of `segments` is lost in a row, at most `most` times.
fn losses(loss: f64, segments: u64, most: u32, draws: &mut Stream) -> u32 {
    if loss <= 0.0 {
        return 0;
    }
    let drawn: f64 = draws.random();
    let segments = i32::try_from(segments).unwrap_or(i32::MAX);
    let mut lost = 0;
    // No segment is lost more than `lost` times with the probability (1 - loss^(lost + 1))^segments.
    let mut lost_again = loss;
    while lost < most && (1.0 - lost_again).powi(segments) <= drawn {
        lost += 1;
        lost_again *= loss;
    }
    lost
}

/// How long retransmissions take if the first timeout is `rto`.
fn backoff(lost: u32, rto: Duration) -> Duration {
    let timeouts = (0..lost).map(|doubled| rto.saturating_mul(1 << doubled).min(RTO_MAX));
    timeouts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Streams;
    use crate::units::Share;

    fn draws() -> Stream {
        Streams::new(7).named("test")
    }

    fn lossy(loss: f64) -> Quality {
        Quality {
            loss: Share::try_from(loss).expect("a share"),
            ..Quality::default()
        }
    }

    #[test]
    fn a_clear_path_takes_no_time_and_no_draw() {
        let (mut used, mut unused) = (draws(), draws());
        assert_eq!(
            transfer(Quality::default(), 9_000, &mut used),
            Duration::ZERO
        );
        assert_eq!(handshake(Quality::default(), &mut used), Duration::ZERO);
        assert_eq!(used.random::<u64>(), unused.random::<u64>());
    }

    #[test]
    fn a_request_and_its_response_are_delayed_once_each() {
        let quality = Quality {
            delay: Duration::from_millis(30),
            jitter: Duration::from_millis(10),
            ..Quality::default()
        };
        let mut draws = draws();
        let taken: Vec<_> = (0..2_000)
            .map(|_| exchange(quality, (700, 400), &mut draws).as_secs_f64())
            .collect();
        assert!(taken.iter().all(|one| (0.040..=0.080).contains(one)));
        let mean = taken.iter().sum::<f64>() / 2_000.0;
        assert!((mean - 0.060).abs() < 0.001, "mean {mean}");
    }

    #[test]
    fn the_timeout_doubles_with_each_loss_of_the_same_segment() {
        let ms = |lost| backoff(lost, RTO_MIN).as_millis();
        assert_eq!([0, 1, 2, 3].map(ms), [0, 200, 600, 1_400]);
        assert_eq!(backoff(2, SYN_RTO), Duration::from_secs(3));
        // The documented time until Linux gives up a connection: 924.6 s with the last timeout.
        assert_eq!(
            backoff(RETRIES + 1, RTO_MIN),
            Duration::from_millis(924_600)
        );
        assert_eq!(backoff(SYN_RETRIES + 1, SYN_RTO), Duration::from_secs(127));
    }

    fn share(counted: &[u32], all: u32) -> f64 {
        f64::from(u32::try_from(counted.len()).expect("few")) / f64::from(all)
    }

    #[test]
    fn losses_are_as_frequent_as_the_share_says() {
        let mut draws = draws();
        let all = 20_000;
        let mut delayed = |bytes, at_least: Duration| {
            let is_delayed = |_: &u32| transfer(lossy(0.1), bytes, &mut draws) >= at_least;
            share(&(0..all).filter(is_delayed).collect::<Vec<_>>(), all)
        };
        assert!((delayed(700, RTO_MIN) - 0.1).abs() < 0.01);
        assert!((delayed(700, 3 * RTO_MIN) - 0.01).abs() < 0.004);
        // One of ten segments is lost with the probability 1 - 0.9^10.
        assert!((delayed(10 * SEGMENT, RTO_MIN) - 0.651).abs() < 0.015);
        let connects = (0..all).filter(|_| handshake(lossy(0.1), &mut draws) >= SYN_RTO);
        let share = share(&connects.collect::<Vec<_>>(), all);
        assert!((share - 0.19).abs() < 0.01, "{share}");
    }

    #[test]
    fn nothing_arrives_where_everything_is_lost() {
        let mut draws = draws();
        assert!(transfer(lossy(1.0), 700, &mut draws) > Duration::from_mins(10));
        assert!(handshake(lossy(1.0), &mut draws) >= Duration::from_secs(63));
    }
}
