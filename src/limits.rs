//! Every size, count and duration has one name, one place and one reason: here.
//!
//! Sizes are bytes, KiB = 1024. Numbers that come from a platform name their source; the `const` block at the end
//! holds the relations between limits, so that a change of one that breaks another does not compile.

use std::num::NonZeroU32;
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

/// Requests that the view in the terminal keeps.
pub const VIEW_ROWS: usize = 1000;

/// Bytes of a body that it shows; the inspector's page shows the rest.
pub const VIEW_BODY: usize = 16 * KIB;

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

/// Largest payload of a buffered invocation, request or answer ("Lambda quotas": 6 MB); 64 KiB are left to the JSON
/// around body and headers.
pub const LAMBDA_PAYLOAD: usize = 6 * 1024 * KIB - 64 * KIB;

/// Largest streamed answer of a function ("Lambda quotas": 200 MB).
pub const LAMBDA_STREAM: u64 = 200 * 1024 * 1024;

/// Largest message that the Lambda posts while it has a choice: one frame, and one unit of API Gateway's meter (32 KB).
/// Whether API Gateway itself cuts larger posts into frames is not documented.
pub const POST: usize = TEXT_FRAME;

/// Largest raw body part of a post.
pub const POST_PART: usize = (POST - TEXT_ENVELOPE) / 4 * 3;

/// Posts of one request's body that are under way at once: 8 of 31 KiB at 12 ms each are 20 MB/s.
pub const POSTS: usize = 8;

/// API Gateway cuts every WebSocket after 2 hours ("WebSocket API quotas").
pub const PLATFORM_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// Keep-alive on API Gateway, which cuts a link after 10 minutes without a message ("WebSocket API quotas").
pub const PLATFORM_KEEP_ALIVE: Duration = Duration::from_secs(9 * 60);

/// What an HTTP API waits for its integration ("HTTP API quotas": 30 s, not raisable), less what the answer's own way takes.
pub const HTTP_API_WAIT: Duration = Duration::from_secs(29);

/// Default time that the buffered door waits for an answer.
pub const BUFFERED_ANSWER: Duration = Duration::from_secs(28);

/// How long a process that ends in the middle of an answer waits for what it has handed to its socket.
pub const LAST_WRITE: Duration = Duration::from_millis(20);

/// What an invocation keeps of its time to say that the rest is up.
pub const INVOCATION_MARGIN: Duration = Duration::from_secs(1);

/// How long a Lambda believes what it has read of a tunnel; a link that is gone is noticed sooner, by the 410 of a post.
pub const CONNECTION_CACHE: Duration = Duration::from_secs(5);

/// After `$connect` has returned, posts meet 410 for a moment more (AWS re:Post, "410 gone").
pub const CONNECTION_SETTLES: Duration = Duration::from_secs(2);

/// Pause between two posts to a link that settles.
pub const SETTLING_PAUSE: Duration = Duration::from_millis(50);

/// First look for an answer, when nothing is known of the tunnel: a local service that answers at once is back by then.
pub const POLL_FIRST: Duration = Duration::from_millis(25);

/// Latest first look, however long the tunnel usually takes: a look costs $0.000000125, waiting longer may delay an answer.
pub const POLL_FIRST_MAX: Duration = Duration::from_millis(60);

/// While answers are there at the first look, the next one's comes this much sooner: about one in ten looks is then in
/// vain, and answers wait for 3 ms on average.
pub const POLL_SOONER: Duration = Duration::from_micros(500);

/// Shortest pause between two looks; a look itself takes about 5 ms.
pub const POLL_LEAST: Duration = Duration::from_millis(5);

/// Longest pause between two looks: four a second cost less than the Lambda's own second ($0.0000005 to $0.0000033).
pub const POLL_MOST: Duration = Duration::from_millis(250);

/// A wait is prolonged by at most this part of itself: one look for every tenth of the time waited.
pub const POLL_SHARE: u32 = 10;

/// After this long without a word the Lambda asks whether the link still stands, and again whenever the wait has doubled.
pub const LINK_CHECK: Duration = Duration::from_secs(2);

/// What was already on its way when the link broke arrives within this.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// Pending parts are of no use once the longest invocation (15 minutes) is over; DynamoDB removes them some time after.
pub const PENDING_KEPT: Duration = Duration::from_secs(60 * 60);

/// How long the record of a new link is looked for: an index follows its table within a second, as a rule.
pub const INDEX_FOLLOWS: Duration = Duration::from_secs(5);

/// Time to open a connection to AWS, in the same region.
pub const AWS_CONNECT: Duration = Duration::from_secs(1);

/// Time for one attempt of a call to AWS: a socket that died while the environment was frozen is given up after it.
pub const AWS_ATTEMPT: Duration = Duration::from_secs(2);

/// Attempts of a call to AWS, the first included.
pub const AWS_ATTEMPTS: u32 = 6;

/// An idle connection to AWS is kept this long; the platform's side closes them after about a minute.
pub const AWS_IDLE: Duration = Duration::from_secs(20);

/// Time for the calls that open the connections to AWS before the first event.
pub const AWS_WARM_UP: Duration = Duration::from_millis(800);

/// What was sent this long ago has been handed over or has failed: a WebSocket API waits 29 s for its function.
pub const RESENT_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of sent messages that are kept in case that the platform loses one: two answers of 4 MB in base64.
pub const RESENT_BYTES: usize = 12 * 1024 * KIB;

/// A message is sent this often at most; a platform that loses it each time will not take it.
pub const RESENT_TIMES: u32 = 4;

/// Errors of the platform come in swarms; what they mean is sent again once, this long after the first.
pub const RESEND_AFTER: Duration = Duration::from_millis(250);

/// First and longest pause before more is sent to a platform that says that it is too much.
pub const CALM: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(8);

/// Exchanges that a platform's link remembers after their end, so that a message that comes twice begins none again.
pub const ENDED_REMEMBERED: usize = 1024;

/// Bytes and messages that may come before the exchange that they are part of: what the Lambda posts at once.
pub const EARLY_BYTES: usize = 1024 * KIB;

/// See [`EARLY_BYTES`].
pub const EARLY_MESSAGES: usize = 256;

/// Smallest message that is compressed before it is stored: smaller ones cost one write unit (1 KB) as they are, or two.
pub const DEFLATE_LEAST: usize = 2 * KIB;

/// As much of a message's beginning is compressed to see whether the rest is worth it.
pub const DEFLATE_PROBE: usize = 4 * KIB;

/// Where every message costs money, a service that writes its answer in pieces is given this long for the next piece.
pub const GATHER: Duration = Duration::from_millis(10);

/// Shortest and longest tunnel name; the longest keeps room in a 63-byte DNS label for what an operator adds.
pub const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=40;

/// Exchanges whose times at the gate are waited for: where the gate does not tell them, the oldest make room.
pub const TIMINGS_AWAITED: usize = 256;

/// Exchanges a second that the inspector captures while it goes on, and how many more at once: with more, its memory (some
/// 30,000 small exchanges) would be overwritten before anybody could look, at a tenth of the throughput. The others are counted.
pub const INSPECT_RATE: NonZeroU32 = NonZeroU32::new(2_000).expect("it is not zero");

/// See [`INSPECT_RATE`].
pub const INSPECT_BURST: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not zero");

/// What the inspector keeps, all exchanges together, unless told otherwise; the oldest go first.
pub const INSPECT_MEMORY: usize = 64 * 1024 * KIB;

/// The least that it may be told to keep: a handful of exchanges with bodies of [`INSPECT_BODY`].
pub const INSPECT_MEMORY_LEAST: usize = 8 * 1024 * KIB;

/// What the inspector keeps of one body, or of one WebSocket's latest messages.
pub const INSPECT_BODY: usize = 1024 * KIB;

/// Bytes on their way to the inspector; beyond it, what is captured is dropped and marked. Nobody waits.
pub const INSPECT_QUEUE: usize = 16 * 1024 * KIB;

/// What the inspector is told is taken up this often: a screen needs no more, and each time costs a wake-up.
pub const INSPECT_BATCH: Duration = Duration::from_millis(30);

/// Exchanges that one list shows, and at most.
pub const INSPECT_LIST: usize = 200;

/// See [`INSPECT_LIST`].
pub const INSPECT_LIST_MOST: usize = 1000;

/// Largest request to the inspector itself: a HAR file that was exported from a full memory, base64 and JSON counted.
pub const INSPECT_REQUEST: usize = 128 * 1024 * KIB;

/// What is unpacked of a compressed body; a few KB may claim to be gigabytes.
pub const INSPECT_UNPACKED: usize = 4 * 1024 * KIB;

/// Open connections to the inspector: a browser has six per tab.
pub const INSPECT_CONNECTIONS: usize = 64;

/// Time that a replayed answer has to come to its end; an event stream has none, and is kept as far as it came.
pub const REPLAY_BODY: Duration = Duration::from_secs(30);

/// How often one order may repeat a request.
pub const REPLAYS: usize = 100;

/// Largest signed request; GitHub, the most generous of the senders, cuts at 25 MB.
pub const SIGNED_BODY: usize = 25 * 1024 * KIB;

/// Bytes of requests whose signature is not known to be good yet, all together: anybody may send them.
pub const SIGNED_BODIES: usize = 4 * SIGNED_BODY;

/// A signature's timestamp may differ from the clock by this much: Stripe's, Slack's and Standard Webhooks' own bound.
pub const SIGNATURE_AGE: Duration = Duration::from_secs(5 * 60);

/// Largest config file: 64 tunnels of ten lines are 20 KiB; a file far beyond that was named by mistake.
pub const CONFIG_FILE: usize = 1024 * KIB;

/// Tunnels of one process: each has a link, and with all of them at [`EXCHANGES`] the process would need more files than
/// systems give it.
pub const TUNNELS: usize = 64;
/// Answers at which it is looked for what the service needs; a page and what it loads are fewer.
pub const WATCHED_ANSWERS: u32 = 100;

/// Further ports that are tried where the default one is another program's.
pub const PORTS: u16 = 100;

/// What `forwarder doctor` takes, all checks together: nobody waits longer for a command that was to save time.
pub const DOCTOR: Duration = Duration::from_secs(20);

/// Time for a look-up, a connection or a handshake of the doctor's.
pub const DOCTOR_STEP: Duration = Duration::from_secs(3);

/// Time for an answer of the service to the doctor: dev servers compile a page when it is first asked for.
pub const DOCTOR_ANSWER: Duration = Duration::from_secs(8);

/// Time for the doctor's link: a connection, perhaps through a proxy, TLS, the handshake and the welcome.
pub const DOCTOR_LINK: Duration = Duration::from_secs(8);

/// What a check gets when the time for all is up.
pub const DOCTOR_LEAST: Duration = Duration::from_millis(200);

/// Addresses of one name that the doctor tries.
pub const DOCTOR_ADDRESSES: usize = 8;

/// Bytes of an answer that the doctor looks at: the script of a large application in development.
pub const DOCTOR_BODY: usize = 16 * 1024 * KIB;

/// Scripts of a page that the doctor looks at.
pub const DOCTOR_SCRIPTS: usize = 6;

const _: () = {
    assert!(INSPECT_BODY < INSPECT_QUEUE && INSPECT_BODY * 4 < INSPECT_MEMORY_LEAST);
    assert!(DOCTOR_STEP.as_secs() < DOCTOR_ANSWER.as_secs() && DOCTOR_ANSWER.as_secs() < DOCTOR.as_secs());
    assert!(TEXT_FRAME <= 32 * KIB);
    assert!(TEXT_PART / 3 * 4 + TEXT_ENVELOPE <= TEXT_MESSAGE);
    assert!(WHOLE_BODY <= BINARY_PART && WHOLE_BODY <= TEXT_PART);
    assert!(BINARY_PART as u32 <= WINDOW && TEXT_PART as u32 <= WINDOW && WINDOW <= WINDOW_MAX);
    assert!(BINARY_MESSAGE <= LINK_QUEUE);
    assert!(POST_PART / 3 * 4 + TEXT_ENVELOPE <= POST && POST <= TEXT_MESSAGE);
    assert!(BUFFERED_ANSWER.as_secs() < HTTP_API_WAIT.as_secs());
    assert!(PLATFORM_KEEP_ALIVE.as_secs() < 10 * 60);
    assert!(HEAD_LEAST <= HEAD);
    assert!(KEEP_ALIVE.as_secs() * 2 < LINK_SILENCE.as_secs() && LINK_SILENCE.as_secs() < 30);
};
