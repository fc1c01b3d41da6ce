//! What a stranger would write: a WebSocket, the wire, a forwarder, a gate and an HTTP client that share no code with the
//! crate, so that what they agree on is the protocol and not a habit.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, reason = "the parts are shared between test files")]

pub mod gate;
pub mod http;
pub mod process;
pub mod relay;
pub mod service;
pub mod socket;
pub mod stranger;
pub mod wire;

use std::future::Future;
use std::time::Duration;

/// How long anything may take before a test says that it hangs: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for `future`; `what` is what the failed test says did not happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("did not happen in time: {what}"))
}

/// Asks again and again until the answer is `Some`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    within(what, async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// `size` bytes that are no text, and different for every `seed`.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
