//! The platform around the real function, without the platform: API Gateway, Lambda and DynamoDB as the program in
//! `Pulumi.yaml` wires them, each enforcing the quotas that the real one has. It shares no code with the crate.
//!
//! `Stack::start` wires everything on ports of its own; dropping the stack ends its processes, stopped ones too.

// Each test binary is a crate of its own and uses its part of this module.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod dynamo;
pub mod gateway;
pub mod knobs;
pub mod lambda;
pub mod listen;
pub mod meter;
mod policy;
pub mod program;
mod stack;

pub use knobs::{Delivery, Knobs, Latency, Panel};
pub use meter::{Meter, Tally};
pub use program::Program;
pub use stack::{Deployed, Stack};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// An id in a UUID's form.
pub fn uuid() -> String {
    let text = format!("{:0>20}", unique());
    let (head, tail) = text.split_at(text.len() - 12);
    format!("{head}-0000-4000-8000-{tail}")
}

/// A trace's root.
pub fn trace() -> String {
    format!("Root=1-{:08x}-{:0>24}", gateway::event::epoch_ms() / 1000, unique())
}

/// A short text that no other call gives, in this process or another of this machine.
pub fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let (process, call) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{:08x}{process:05x}{call:05x}", started & 0xffff_ffff)
}
