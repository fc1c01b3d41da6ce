//! Every call between the parts, counted once where it happens: what the platform would bill.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Invocations {
    pub count: u64,
    /// From the event to the next one asked for, in whole milliseconds, as billed; of those that have ended.
    pub billed_ms: u64,
    pub failed: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operation {
    pub calls: u64,
    pub throttled: u64,
    pub read_units: f64,
    pub write_units: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// By kind of event: `CONNECT`, `MESSAGE`, `DISCONNECT`, `HTTP`, `STREAM`, `REST`.
    pub invocations: BTreeMap<String, Invocations>,
    pub inits_ms: Vec<u64>,
    pub posts: u64,
    pub posts_refused: u64,
    /// Messages from and to links, and the same in units of 32 KB.
    pub messages_in: u64,
    pub messages_out: u64,
    pub units_in: u64,
    pub units_out: u64,
    /// Messages that a MOCK integration swallowed.
    pub mocked: u64,
    pub http_requests: u64,
    pub stream_requests: u64,
    pub rest_requests: u64,
    /// Bytes streamed past the 6 MB that are free.
    pub streamed_bytes: u64,
    /// By operation: `GetItem`, `PutItem`, ...
    pub dynamo: BTreeMap<String, Operation>,
}

impl Tally {
    pub fn invoked(&self, kind: &str) -> u64 {
        self.invocations.get(kind).map_or(0, |found| found.count)
    }

    pub fn billed_ms(&self) -> u64 {
        self.invocations.values().map(|kind| kind.billed_ms).sum()
    }

    pub fn operation(&self, name: &str) -> Operation {
        self.dynamo.get(name).cloned().unwrap_or_default()
    }

    pub fn read_units(&self) -> f64 {
        self.dynamo.values().map(|operation| operation.read_units).sum()
    }

    pub fn write_units(&self) -> f64 {
        self.dynamo.values().map(|operation| operation.write_units).sum()
    }

    /// What was counted after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut rest = self.clone();
        for (kind, counts) in &mut rest.invocations {
            let before = earlier.invocations.get(kind).cloned().unwrap_or_default();
            counts.count -= before.count;
            counts.billed_ms -= before.billed_ms;
            counts.failed -= before.failed;
        }
        for (name, operation) in &mut rest.dynamo {
            let before = earlier.operation(name);
            operation.calls -= before.calls;
            operation.throttled -= before.throttled;
            operation.read_units -= before.read_units;
            operation.write_units -= before.write_units;
        }
        rest.inits_ms.drain(..earlier.inits_ms.len());
        rest.posts -= earlier.posts;
        rest.posts_refused -= earlier.posts_refused;
        rest.messages_in -= earlier.messages_in;
        rest.messages_out -= earlier.messages_out;
        rest.units_in -= earlier.units_in;
        rest.units_out -= earlier.units_out;
        rest.mocked -= earlier.mocked;
        rest.http_requests -= earlier.http_requests;
        rest.stream_requests -= earlier.stream_requests;
        rest.rest_requests -= earlier.rest_requests;
        rest.streamed_bytes -= earlier.streamed_bytes;
        rest
    }
}

/// Units of 32 KB; an empty message is one.
pub fn message_units(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(32 * 1024).max(1)
}

#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<Tally>>);

impl Meter {
    pub fn read(&self) -> Tally {
        self.0.lock().expect("no counter panics").clone()
    }

    pub fn count(&self, add: impl FnOnce(&mut Tally)) {
        add(&mut self.0.lock().expect("no counter panics"));
    }

    pub fn invoked(&self, kind: &str) {
        self.count(|tally| tally.invocations.entry(kind.to_owned()).or_default().count += 1);
    }

    pub fn billed(&self, kind: &str, took: Duration, failed: bool) {
        self.count(|tally| {
            let counts = tally.invocations.entry(kind.to_owned()).or_default();
            counts.billed_ms += took.as_micros().div_ceil(1000) as u64;
            counts.failed += u64::from(failed);
        });
    }
}
