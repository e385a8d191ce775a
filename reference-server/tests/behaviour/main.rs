//! What the server does, seen from outside: real connections to instances on free ports.

mod common;
mod contract;
mod outage;
mod realtime;
mod standard_clients;
mod waiting_room;
