//! An event holds what happened, not how it is said.

use crate::fault::Code;
use http::Method;
use std::net::IpAddr;
use std::time::Duration;

/// What a forwarder has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The link stands, for the first time or again.
    Online {
        /// The tunnel's name.
        name: String,
        /// Its public URL.
        url: String,
        /// Further URLs, for other machines on the same network.
        lan: Vec<String>,
        /// Where answers stream, if that is another address.
        stream_url: Option<String>,
        /// What visitors reach, for people to read.
        service: String,
        /// The port that was wanted and is another program's.
        port_taken: Option<u16>,
        /// Where the inspector is.
        inspector: Option<String>,
    },
    /// The link is down.
    Offline {
        /// What happened.
        reason: String,
        /// When it is tried again.
        retry: Duration,
    },
    /// An exchange is over.
    Request {
        /// The visitor's method.
        method: Method,
        /// Path and query.
        target: String,
        /// Status of the answer.
        status: u16,
        /// Bytes of the answer's body.
        bytes: u64,
        /// From the request's head to the answer's end.
        elapsed: Duration,
        /// The visitor's address.
        from: Option<IpAddr>,
        /// The tunnel's own error, when the answer is not the service's.
        fault: Option<Code>,
        /// A visitor's WebSocket.
        websocket: bool,
        /// The answer ended before it was complete.
        cut: bool,
        /// The inspector's number of it.
        inspected: Option<u64>,
    },
    /// Something worth knowing.
    Notice(String),
    /// The end.
    Summary {
        /// How many exchanges there were.
        exchanges: u64,
        /// How many of them failed.
        failed: u64,
        /// Body bytes from visitors.
        bytes_in: u64,
        /// Body bytes to visitors.
        bytes_out: u64,
        /// How long the program ran.
        elapsed: Duration,
    },
}
