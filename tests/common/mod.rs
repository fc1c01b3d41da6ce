//! Real ends for tests: a tunnel of a relay and a forwarder, a service behind it and visitors in front of it, each on a
//! port of its own and gone when dropped. Whoever waits does so with a deadline, never for a fixed time.

// Each test binary is a crate of its own and uses its part of this module.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod conn;
pub mod service;
pub mod tunnel;

pub use conn::{Answer, Conn};
pub use service::{Record, TestService};
pub use tunnel::{End, Knobs, Tunnel};

use std::future::Future;
use std::time::Duration;

/// Nothing in these tests takes longer on a machine that is alive.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for `work`, which must be done in time.
pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Polls until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    in_time(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Bytes that differ everywhere and from seed to seed, so that a body out of place is noticed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Makes each test function two tests, one for each encoding of the wire.
#[macro_export]
macro_rules! on_both_encodings {
    ($($name:ident),* $(,)?) => {
        mod binary {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(http_tunnel::wire::Encoding::Binary).await })*
        }
        mod text {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(http_tunnel::wire::Encoding::Text).await })*
        }
    };
}
