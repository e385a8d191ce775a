//! How the supervisor reaches a Redis server it has started: by address instead of by name, and without TLS.

use std::net::SocketAddr;

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisResult};

/// One server.
#[derive(Clone)]
pub(super) struct Reach {
    address: SocketAddr,
    password: String,
}

impl Reach {
    pub(super) fn new(address: SocketAddr, password: &str) -> Self {
        Self {
            address,
            password: password.to_owned(),
        }
    }

    pub(super) fn client(&self) -> RedisResult<Client> {
        let address = ConnectionAddr::Tcp(self.address.ip().to_string(), self.address.port());
        let settings = RedisConnectionInfo::default().set_password(&self.password);
        Client::open(address.into_connection_info()?.set_redis_settings(settings))
    }
}
