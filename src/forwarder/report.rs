//! Reporting never holds up an exchange: events go into a queue, a thread of its own writes them.
//!
//! Stdout is for programs: each tunnel's URL, or every event as JSON. Everything that people read is on stderr.
//!
//! When nobody takes the output, the queue holds [`limits::REPORT_LINES`]; further request lines are counted, and the
//! count is told. Events about the link are too few to fill memory and are never dropped. A pipe that breaks ends the
//! output, not the program.

mod clock;
mod human;
mod json;
mod text;

use super::config::{ColorChoice, Output};
use crate::fault::Code;
use crate::limits;
pub(super) use clock::timestamp;
use http::Method;
use human::Human;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
pub(super) use text::size;

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

/// A stamped event.
struct Entry {
    at: SystemTime,
    /// Which of several tunnels it is about.
    tunnel: Option<Arc<str>>,
    event: Event,
}

/// The way to the thread that writes. Clones share it.
#[derive(Clone)]
pub struct Reporter {
    queue: Arc<Queue>,
    requests: bool,
    tunnel: Option<Arc<str>>,
}

/// Which of the two streams shows colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colors {
    /// The URL's.
    pub out: bool,
    /// That of the lines for people.
    pub err: bool,
}

#[derive(Default)]
struct Queue {
    /// Held only to push or to take, never while writing.
    state: Mutex<State>,
    /// For the thread: there is something to write, or the end.
    filled: Condvar,
    /// For `finish`: everything is written.
    written: Condvar,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    requests: usize,
    dropped: u64,
    closed: bool,
    done: bool,
}

impl Queue {
    /// A panic elsewhere leaves nothing half-done under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an event becomes text: for people, or for programs.
enum Style {
    Human(Human),
    Json { quiet: bool },
}

/// Where text goes: what programs read to stdout, what people read to stderr.
#[derive(Default)]
struct Page {
    out: String,
    err: String,
}

impl Reporter {
    /// Starts the thread that writes to this process's stdout and stderr.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(output: Output, qr: bool) -> io::Result<Self> {
        let colors = match output.color {
            ColorChoice::Auto => Colors { out: io::stdout().is_terminal(), err: io::stderr().is_terminal() },
            ColorChoice::Always => Colors { out: true, err: true },
            ColorChoice::Never => Colors::default(),
        };
        Self::write_to(output, colors, qr, io::stdout(), io::stderr())
    }

    /// The same for any two streams.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn write_to(
        output: Output,
        colors: Colors,
        qr: bool,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let style = match output.json {
            true => Style::Json { quiet: output.quiet },
            false => Style::Human(Human::new(output, colors, qr)),
        };
        let queue = Arc::new(Queue::default());
        let mut writer = Writer { queue: Arc::clone(&queue), style, out: Some(out), err: Some(err) };
        std::thread::Builder::new().name("report".to_owned()).spawn(move || writer.run())?;
        Ok(Self { queue, requests: !output.quiet, tunnel: None })
    }

    /// The same way for the events of one of several tunnels, which then say whose they are.
    pub fn labelled(&self, label: &str) -> Self {
        Self { tunnel: Some(label.into()), ..self.clone() }
    }

    /// Hands an event over and returns at once.
    pub fn report(&self, event: Event) {
        let is_request = matches!(event, Event::Request { .. });
        if is_request && !self.requests {
            return;
        }
        let mut state = self.queue.lock();
        if state.closed {
            return;
        }
        if is_request && state.requests >= limits::REPORT_LINES {
            state.dropped += 1;
            return;
        }
        state.requests += usize::from(is_request);
        state.entries.push_back(Entry { at: SystemTime::now(), tunnel: self.tunnel.clone(), event });
        drop(state);
        self.queue.filled.notify_one();
    }

    /// Waits until everything is written, or until it is clear that nobody takes it. What is reported later is lost.
    pub fn finish(self) {
        let deadline = Instant::now() + limits::REPORT_FLUSH;
        let mut state = self.queue.lock();
        state.closed = true;
        self.queue.filled.notify_one();
        while !state.done {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.queue.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter(..)")
    }
}

struct Writer<O, E> {
    queue: Arc<Queue>,
    style: Style,
    /// `None` once it is broken.
    out: Option<O>,
    err: Option<E>,
}

impl<O: Write, E: Write> Writer<O, E> {
    fn run(&mut self) {
        while let Some((entries, dropped)) = self.take() {
            let mut page = Page::default();
            for entry in &entries {
                let is_online = matches!(entry.event, Event::Online { .. });
                // Lines are written by the batch; on a terminal a URL on stdout keeps its place among those on stderr.
                if is_online {
                    self.write(&mut page);
                }
                self.style.render(entry, &mut page);
                if is_online {
                    self.write(&mut page);
                }
            }
            if dropped > 0 {
                self.style.render_dropped(dropped, &mut page);
            }
            self.write(&mut page);
        }
        self.queue.lock().done = true;
        self.queue.written.notify_all();
    }

    /// Waits for entries; `None`: there will be no more.
    fn take(&self) -> Option<(VecDeque<Entry>, u64)> {
        let mut state = self.queue.lock();
        while state.entries.is_empty() && state.dropped == 0 {
            if state.closed {
                return None;
            }
            state = self.queue.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.requests = 0;
        Some((std::mem::take(&mut state.entries), std::mem::take(&mut state.dropped)))
    }

    /// Writes what is on the page and empties it.
    fn write(&mut self, page: &mut Page) {
        put(&mut self.out, &mut page.out);
        put(&mut self.err, &mut page.err);
    }
}

/// Nobody reads what cannot be written, and there is nowhere else to say so: the stream is given up.
fn put(stream: &mut Option<impl Write>, text: &mut String) {
    let written = stream.as_mut().map(|stream| stream.write_all(text.as_bytes()).and_then(|()| stream.flush()));
    if let Some(Err(_)) = written {
        *stream = None;
    }
    text.clear();
}

impl Style {
    fn render(&mut self, entry: &Entry, page: &mut Page) {
        match self {
            Self::Human(human) => human.render(entry, page),
            Self::Json { quiet } => json::render(entry, *quiet, page),
        }
    }

    fn render_dropped(&mut self, requests: u64, page: &mut Page) {
        match self {
            Self::Human(human) => human.render_dropped(requests, SystemTime::now(), page),
            Self::Json { .. } => json::render_dropped(requests, SystemTime::now(), page),
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
