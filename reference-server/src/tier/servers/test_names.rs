//! A name server for tests: every name resolves to one address, which can be changed.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

/// Size of the header of a query in bytes.
const HEADER: usize = 12;

/// A running name server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct TestNames {
    address: SocketAddr,
    answer: Arc<Mutex<Ipv4Addr>>,
    task: JoinHandle<()>,
}

impl TestNames {
    pub(crate) fn start(answer: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(answer));
        let task = tokio::spawn(serve(socket, Arc::clone(&answer)));
        Self {
            address,
            answer,
            task,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn lead_to(&self, answer: Ipv4Addr) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

impl Drop for TestNames {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, answer: Arc<Mutex<Ipv4Addr>>) {
    let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
    let mut question = [0; 512];
    loop {
        let (length, client) = socket.recv_from(&mut question).await.unwrap();
        let address = *answer.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = reply(&question[..length], address);
        socket.send_to(&reply, client).await.unwrap();
    }
}

/// Returns the response to a query for an A record, with a TTL of zero; without a record for any other query.
fn reply(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    let name = question[HEADER..].iter().position(|byte| *byte == 0);
    let end = HEADER + name.unwrap() + 5;
    let is_for_a = question[end - 4..end - 2] == [0, 1];
    let mut reply = question[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_for_a), 0, 0, 0, 0]);
    reply.extend(&question[HEADER..end]);
    if is_for_a {
        reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}
