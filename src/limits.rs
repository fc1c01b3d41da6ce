//! Every size, count and duration has one name, one place and one reason: here.
//!
//! Sizes are bytes, KiB = 1024. Numbers that come from a platform name their source; the `const` block at the end
//! holds the relations between limits, so that a change of one that breaks another does not compile.

use std::time::Duration;

/// One KiB.
pub const KIB: usize = 1024;

/// Largest WebSocket frame on the text encoding, payload bytes. API Gateway closes with 1009 above 32 KB, and whether
/// it counts the frame's own header is not documented, so 1 KiB is left to it ("WebSocket API quotas", AWS docs).
pub const TEXT_FRAME: usize = 31 * KIB;

/// Largest message on the text encoding, envelope and base64 counted ("WebSocket API quotas": 128 KB, not raisable).
pub const TEXT_MESSAGE: usize = 128 * KIB;

/// Room that the JSON around a body part takes at most: kind, id, number, flags.
pub const TEXT_ENVELOPE: usize = KIB;

/// Largest raw body part on the text encoding: what base64 (4 bytes for 3) and the envelope leave of a message.
pub const TEXT_PART: usize = (TEXT_MESSAGE - TEXT_ENVELOPE) / 4 * 3;

/// Largest raw body part on the binary encoding. Larger parts gain no throughput on loopback and hold up the small
/// exchanges that queue behind them on the same socket.
pub const BINARY_PART: usize = 64 * KIB;

/// Largest message on the binary encoding: a head of [`HEAD`] bytes and a part, with room for the fields around them.
pub const BINARY_MESSAGE: usize = HEAD + BINARY_PART + 4 * KIB;

/// Largest head (request line or status line and all headers) that the relay carries. Node's own default is 16 KiB,
/// Apache's 8 KiB; cookies of real applications reach 32 KiB.
pub const HEAD: usize = 64 * KIB;

/// Most header lines of one head; hyper's and Apache's default is 100, some single-page applications come close.
pub const HEADER_LINES: usize = 128;

/// Body bytes that one side may send ahead of the other's consent, per exchange and direction, when an exchange opens.
pub const WINDOW: u32 = 256 * 1024;

/// A reader that keeps up is granted up to this much, so that one exchange can fill a long path:
/// 4 MiB is 40 MB/s at a round trip of 100 ms.
pub const WINDOW_MAX: u32 = 4 * 1024 * 1024;

/// By how much the windows of one link may grow, all exchanges together: what slow readers can make wait in memory beyond
/// the windows that exchanges open with.
pub const LINK_BUFFER: u64 = 24 * 1024 * 1024;

/// Largest visitor WebSocket message that is carried.
pub const WEBSOCKET_MESSAGE: usize = 16 * 1024 * KIB;

/// Largest declared request body that travels in one message with its head; a small exchange is one message each way.
pub const WHOLE_BODY: usize = 16 * KIB;

/// A small declared body is waited for this long, so that it can travel with its head; a slower one is streamed.
pub const SMALL_BODY: Duration = Duration::from_millis(200);

/// Open exchanges of one forwarder; each is a task and a connection to the service.
pub const EXCHANGES: usize = 4096;

/// Further exchanges that may wait for a free place before visitors are told `too-many-requests`.
pub const EXCHANGES_WAITING: usize = 1024;

/// How long an exchange waits for a free place.
pub const QUEUE_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes queued for one link's socket before senders wait: enough to fill a long path's buffers, few enough that a small
/// answer does not queue behind many megabytes.
pub const LINK_QUEUE: usize = 1024 * KIB;

/// Control messages (credit, cancel, pong) do not wait; a link whose peer lets this many pile up unread is closed.
pub const LINK_CONTROL: usize = 65_536;

/// Bytes gathered before one write to a link's socket.
pub const LINK_WRITE: usize = 128 * KIB;

/// A keep-alive goes out on the relay's links this often.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A relay link without any frame for this long is dead: noticed within 30 s, two keep-alives may be lost.
pub const LINK_SILENCE: Duration = Duration::from_secs(25);

/// Time a forwarder has for its WebSocket handshake and its first message.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// Time for each step on the way to an endpoint: the name and the connection, the proxy's consent, TLS.
pub const DIAL: Duration = Duration::from_secs(10);

/// How long a name stays reserved for its owner after the link dropped.
pub const NAME_GRACE: Duration = Duration::from_secs(10 * 60);

/// `Retry-After` of `forwarder-offline`: a forwarder reconnects at once the first time.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Default time that a service has to begin its answer.
pub const ANSWER: Duration = Duration::from_secs(120);

/// Longest time that a user may give a service to begin its answer: a day, beyond it is a typing error.
pub const ANSWER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Time to reach the service's port; it is on this machine.
pub const SERVICE_CONNECT: Duration = Duration::from_secs(5);

/// An idle connection to the service is kept this long: Node, the shortest of the common servers, closes after 5 s.
pub const SERVICE_IDLE: Duration = Duration::from_secs(4);

/// A visitor has this long to send a whole request head (against slow-loris).
pub const VISITOR_HEAD: Duration = Duration::from_secs(20);

/// How long the rest of an upload is read and dropped once its answer is out.
pub const LINGER: Duration = Duration::from_secs(30);

/// Open exchanges get this long to finish when a program is asked to stop.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Request lines that wait for a slow terminal or pipe before further ones are only counted.
pub const REPORT_LINES: usize = 4096;

/// Longest path that a request line for people shows, in characters; programs are told all of it.
pub const REPORT_PATH: usize = 200;

/// How long a program that ends waits for its last lines to be taken.
pub const REPORT_FLUSH: Duration = Duration::from_secs(1);

/// Pause before the next attempt to accept a connection when the system had no room for one.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Entries that a directory's listing shows; beyond it a page is of no use to anybody.
pub const LISTING: usize = 10_000;

/// Longest pause between two attempts to reconnect.
pub const RECONNECT: Duration = Duration::from_secs(30);

/// Clocks that sign tokens and clocks that check them differ by up to this much.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Fewest bytes of a JWT secret: HS256 wants a key as long as its hash (RFC 7518 §3.2), a shorter one can be guessed
/// from any token.
pub const JWT_SECRET: usize = 32;

/// Smallest modulus of an RSA key, bytes: 2048 bits (RFC 7518 §3.3).
pub const RSA_MODULUS: usize = 256;

/// How often the relay looks whether its certificate files have changed; renewals come weeks before they are needed.
pub const CERTIFICATE_CHECK: Duration = Duration::from_secs(10);

/// An exchange over which no byte has gone for this long is ended: quiet event streams and WebSockets live long, those
/// whose visitor is gone without a trace do not stay for ever.
pub const IDLE: Duration = Duration::from_secs(60 * 60);

/// Smallest limit on heads that an operator may set: hyper's smallest read buffer.
pub const HEAD_LEAST: usize = 8 * KIB;

/// Open connections to the admin address: a scraper and a health check, a few times over.
pub const ADMIN_CONNECTIONS: usize = 64;

/// Shortest and longest tunnel name; the longest keeps room in a 63-byte DNS label for what an operator adds.
pub const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=40;

const _: () = {
    assert!(TEXT_FRAME <= 32 * KIB);
    assert!(TEXT_PART / 3 * 4 + TEXT_ENVELOPE <= TEXT_MESSAGE);
    assert!(WHOLE_BODY <= BINARY_PART && WHOLE_BODY <= TEXT_PART);
    assert!(BINARY_PART as u32 <= WINDOW && TEXT_PART as u32 <= WINDOW && WINDOW <= WINDOW_MAX);
    assert!(BINARY_MESSAGE <= LINK_QUEUE);
    assert!(HEAD_LEAST <= HEAD);
    assert!(KEEP_ALIVE.as_secs() * 2 < LINK_SILENCE.as_secs() && LINK_SILENCE.as_secs() < 30);
};
