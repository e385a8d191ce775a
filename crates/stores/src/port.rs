//! Finds ports that are free on all sites.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::{StoresError, secret};

/// The lowest port tried.
const PORT_MIN: u16 = 10_000;
/// Start of the kernel's port range for outgoing connections, if it cannot be read.
const EPHEMERAL_MIN: u16 = 32_768;
/// Maximum number of ports tried. Even if one in ten is in use, a hundred in a row are not.
const TRIES: u32 = 100;

/// Attempts to start if another process takes the chosen port before the server starts.
const STARTS_MAX: u32 = 5;

/// Starts servers on a port that was free, and again on another one if a process has taken it meanwhile.
pub(crate) async fn start<T, F: Future<Output = Result<T, StoresError>>>(
    mut start_once: impl FnMut() -> F,
) -> Result<T, StoresError> {
    let mut starts = 0;
    loop {
        starts += 1;
        // Boxed: starts are rare and their futures are large.
        match Box::pin(start_once()).await {
            Err(StoresError::PortTaken { .. }) if starts < STARTS_MAX => {}
            result => return result,
        }
    }
}

/// Returns a port that is free on all addresses.
///
/// It is below the range of outgoing connections, so that it is still free when a site comes back.
pub(crate) fn free(addresses: &[Ipv4Addr]) -> Result<u16, StoresError> {
    let range = ephemeral_min().max(PORT_MIN + 1) - PORT_MIN;
    for _ in 0..TRIES {
        let port = PORT_MIN + secret::number()? % range;
        if addresses.iter().all(|address| is_free(*address, port)) {
            return Ok(port);
        }
    }
    Err(StoresError::NoFreePort {
        addresses: addresses.to_vec(),
        tries: TRIES,
    })
}

fn is_free(address: Ipv4Addr, port: u16) -> bool {
    TcpListener::bind((address, port)).is_ok()
}

fn ephemeral_min() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(EPHEMERAL_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_on_one_site_is_not_free() {
        let sites = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];
        let port = free(&sites).unwrap();
        assert!((PORT_MIN..ephemeral_min()).contains(&port), "{port}");
        let _holder = TcpListener::bind((sites[1], port)).unwrap();
        assert!(!is_free(sites[1], port));
    }

    #[test]
    fn an_address_of_another_machine_has_no_free_port() {
        let elsewhere = [Ipv4Addr::new(192, 0, 2, 1)];
        let error = free(&elsewhere).unwrap_err();
        assert!(matches!(error, StoresError::NoFreePort { .. }), "{error}");
    }
}
