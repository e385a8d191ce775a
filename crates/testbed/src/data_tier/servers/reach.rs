//! How the supervisor reaches a Redis server it has started: by address instead of by name, and without TLS.

use std::net::SocketAddr;

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisResult};

/// One server.
#[derive(Clone)]
pub(super) struct Reach {
    address: SocketAddr,
    password: Option<String>,
}

impl Reach {
    pub(super) fn new(address: SocketAddr, password: Option<&str>) -> Self {
        Self {
            address,
            password: password.map(str::to_owned),
        }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn client(&self) -> RedisResult<Client> {
        let address = ConnectionAddr::Tcp(self.address.ip().to_string(), self.address.port());
        let mut settings = RedisConnectionInfo::default();
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        Client::open(address.into_connection_info()?.set_redis_settings(settings))
    }
}
