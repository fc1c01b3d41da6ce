//! Reporting never holds up an exchange: events go into a queue, a thread of its own writes them.
//!
//! Stdout is for programs: each tunnel's URL, or every event as JSON. Everything that people read is on stderr.
//!
//! When nobody takes the output, the queue holds [`limits::REPORT_LINES`]; further request lines are counted, and the
//! count is told. Events about the link are too few to fill memory and are never dropped. A pipe that breaks ends the
//! output, not the program.

mod clock;
mod event;
mod human;
mod json;
mod text;
mod writer;

use super::config::{ColorChoice, Output};
use super::tui::{Input, Tui};
use crate::limits;
pub(super) use clock::{time_of_day, timestamp};
pub use event::Event;
pub(super) use human::Human;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
pub(super) use text::{milliseconds, printable, size};
use tokio_util::sync::CancellationToken;
use writer::Writer;

/// A stamped event.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: SystemTime,
    /// Which of several tunnels it is about.
    pub(super) tunnel: Option<Arc<str>>,
    pub(super) event: Event,
}

/// The way to the thread that writes. Clones share it.
#[derive(Clone)]
pub struct Reporter {
    queue: Arc<Queue>,
    requests: bool,
    tunnel: Option<Arc<str>>,
    /// There is a view, which takes inputs.
    view: bool,
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
    /// For the view in the terminal, where there is one.
    inputs: Vec<Input>,
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

    fn input(&self, input: Input) {
        self.lock().inputs.push(input);
        self.filled.notify_one();
    }
}

/// How an event becomes text: for people, line by line or in a view, or for programs.
enum Style {
    Human(Human),
    Json { quiet: bool },
    View(Box<Tui>),
}

/// What the thread takes at once.
struct Batch {
    entries: VecDeque<Entry>,
    inputs: Vec<Input>,
    dropped: u64,
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
    /// The system has no thread to give, or the view no terminal to draw on.
    pub fn start(output: Output, qr: bool) -> io::Result<Self> {
        let colors = match output.color {
            ColorChoice::Auto => Colors { out: io::stdout().is_terminal(), err: io::stderr().is_terminal() },
            ColorChoice::Always => Colors { out: true, err: true },
            ColorChoice::Never => Colors::default(),
        };
        if !output.tui {
            return Self::write_to(output, colors, qr, io::stdout(), io::stderr());
        }
        let queue = Arc::new(Queue::default());
        let (inputs, human) = (Arc::clone(&queue), Human::new(output, colors, false));
        let view = Tui::start(move |input| inputs.input(input), colors.out, human)?;
        Self::spawn(queue, true, Style::View(Box::new(view)), io::stdout(), io::stderr())
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
        Self::spawn(Arc::default(), !output.quiet, style, out, err)
    }

    fn spawn(
        queue: Arc<Queue>,
        requests: bool,
        style: Style,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let view = matches!(style, Style::View(_));
        let mut writer = Writer { queue: Arc::clone(&queue), style, out: Some(out), err: Some(err) };
        std::thread::Builder::new().name("report".to_owned()).spawn(move || writer.run())?;
        Ok(Self { queue, requests, tunnel: None, view })
    }

    /// What the user's wish to stop cancels, where there is a view to say it in; once it is cancelled, the view ends.
    pub fn stops(&self, shutdown: &CancellationToken) {
        if !self.view {
            return;
        }
        let (queue, shutdown) = (Arc::clone(&self.queue), shutdown.clone());
        queue.input(Input::Stops(shutdown.clone()));
        tokio::spawn(async move {
            shutdown.cancelled().await;
            queue.input(Input::Stopped);
        });
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

    /// For a log whose lines are to be notices.
    pub fn notices(&self) -> impl Fn() -> Notices + Send + Sync + 'static {
        let reporter = self.clone();
        move || Notices(reporter.clone())
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

/// Makes a notice of each text that is written at once.
#[derive(Debug)]
pub struct Notices(Reporter);

impl Write for Notices {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.report(Event::Notice(String::from_utf8_lossy(text).trim_end().to_owned()));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Style {
    fn render(&mut self, entry: &Entry, page: &mut Page) {
        match self {
            Self::Human(human) => human.render(entry, page),
            Self::Json { quiet } => json::render(entry, *quiet, page),
            Self::View(_) => {}
        }
    }

    fn render_dropped(&mut self, requests: u64, page: &mut Page) {
        match self {
            Self::Human(human) => human.render_dropped(requests, SystemTime::now(), page),
            Self::Json { .. } => json::render_dropped(requests, SystemTime::now(), page),
            Self::View(_) => {}
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
