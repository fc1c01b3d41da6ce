//! What a test may turn while the stack runs: quotas, delays and faults. Each part reads the value of the moment.

use std::time::Duration;
use tokio::sync::watch;

pub const KIB: usize = 1024;

/// How messages of one link reach the function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Delivery {
    /// Each on its own, at once: invocations overlap, as on the platform.
    #[default]
    Concurrent,
    /// What arrives within this time is delivered last message first.
    Reversed(Duration),
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    pub dynamo: Duration,
    pub post: Duration,
    pub socket: Duration,
    pub invoke: Duration,
}

impl Latency {
    /// The delays of the project's benchmark.
    pub const DESIGN: Self = Self {
        dynamo: Duration::from_millis(5),
        post: Duration::from_millis(12),
        socket: Duration::from_millis(8),
        invoke: Duration::from_millis(4),
    };
}

#[derive(Clone, Debug)]
pub struct Knobs {
    pub latency: Latency,

    // Lambda
    /// `None`: the program's `timeout`.
    pub function_timeout: Option<Duration>,
    pub init_timeout: Duration,
    /// `None`: the program's `reservedConcurrentExecutions`.
    pub concurrency: Option<usize>,
    /// Not the platform's: so many work at once and others wait for their turn, which spares a small machine from a
    /// process for each message of a large body. Waiting visitors and the messages that they wait for share it.
    pub processes: Option<usize>,
    pub request_bytes: usize,
    pub response_bytes: usize,
    pub stream_bytes: usize,
    /// Idle processes are stopped, as the platform freezes environments.
    pub freeze: bool,

    // WebSocket API
    pub frame_bytes: usize,
    pub message_bytes: usize,
    pub idle: Duration,
    pub lifetime: Duration,
    /// `None`: the integration's own timeout, or the platform's maximum.
    pub integration_timeout: Option<Duration>,
    pub delivery: Delivery,
    /// Every message reaches the function twice.
    pub duplicate: bool,
    /// Messages wait until this is off again.
    pub hold_messages: bool,
    pub hold_disconnects: bool,
    pub drop_disconnects: bool,
    /// Of each hundred messages, so many fail before the function sees them.
    pub message_failures_percent: u32,
    /// The account's bucket is empty: handshakes and HTTP requests get 429, messages an error frame.
    pub throttle_visitors: bool,
    pub throttle_handshakes: bool,
    pub throttle_messages: bool,

    // @connections
    /// Of each hundred posts, so many get 429.
    pub post_throttle_percent: u32,
    /// Posts wait until this is off again.
    pub hold_posts: bool,
    /// Bytes that wait for a slow client; more is 429.
    pub client_buffer_bytes: usize,

    // HTTP
    pub http_body_bytes: usize,
    pub http_head_bytes: usize,

    // DynamoDB
    pub dynamo_throttle_percent: u32,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            latency: Latency::default(),
            function_timeout: None,
            init_timeout: Duration::from_secs(10),
            concurrency: None,
            processes: None,
            request_bytes: 6 * KIB * KIB,
            response_bytes: 6 * KIB * KIB,
            stream_bytes: 200 * KIB * KIB,
            freeze: true,
            frame_bytes: 32 * KIB,
            message_bytes: 128 * KIB,
            idle: Duration::from_secs(600),
            lifetime: Duration::from_secs(7200),
            integration_timeout: None,
            delivery: Delivery::default(),
            duplicate: false,
            hold_messages: false,
            hold_disconnects: false,
            drop_disconnects: false,
            message_failures_percent: 0,
            throttle_visitors: false,
            throttle_handshakes: false,
            throttle_messages: false,
            post_throttle_percent: 0,
            hold_posts: false,
            client_buffer_bytes: KIB * KIB,
            http_body_bytes: 10 * KIB * KIB,
            http_head_bytes: 10_240,
            dynamo_throttle_percent: 0,
        }
    }
}

/// The knobs of a running stack.
#[derive(Clone)]
pub struct Panel(watch::Sender<Knobs>);

impl Panel {
    pub fn new(knobs: Knobs) -> Self {
        Self(watch::Sender::new(knobs))
    }

    pub fn read(&self) -> Knobs {
        self.0.borrow().clone()
    }

    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        self.0.send_modify(change);
    }

    pub fn watch(&self) -> watch::Receiver<Knobs> {
        self.0.subscribe()
    }

    /// Returns once `condition` holds.
    pub async fn until(&self, condition: impl FnMut(&Knobs) -> bool) {
        let mut reader = self.0.subscribe();
        // An error means that the stack is gone, and nobody waits for the outcome.
        let _ = reader.wait_for(condition).await;
    }
}

/// Picks `percent` of its calls, evenly spread, so that a share is the same in every run.
#[derive(Default)]
pub struct Share(std::sync::atomic::AtomicU32);

impl Share {
    pub fn picks(&self, percent: u32) -> bool {
        let step = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // 37 is coprime to 100: a hundred calls visit every residue once, and neighbours lie apart.
        step.wrapping_mul(37) % 100 < percent
    }
}
