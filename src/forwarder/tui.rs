//! The terminal is the view's from its start to its end, and is given back on every way out: a stop, a panic anywhere, an
//! output that fails.
//!
//! The reporter's thread draws, from the queue that exchanges fill without waiting; keys and answers of the inspector come
//! through the same queue, each from a thread of its own.

mod ask;
mod draw;
mod line;
mod state;

use super::report::{Entry, Human};
use crossterm::event::{self, Event as Terminal, KeyEventKind};
use crossterm::terminal;
use state::{Action, Said, View};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Least time between two pictures, when requests and not keys make them: more than people see, and it costs exchanges nothing.
const FRAME: Duration = Duration::from_millis(40);

/// To the terminal's other screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";

/// Back from there.
const LEAVE: &str = "\x1b[?1049l\x1b[?25h";

/// Whether the terminal is the view's now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What the view hears besides the reporter's events.
#[derive(Debug)]
pub(super) enum Input {
    /// A key, or another size.
    Terminal(Terminal),
    /// What was asked of the inspector.
    Said(u64, Result<Said, String>),
    /// What to cancel when the user wants to stop.
    Stops(CancellationToken),
    /// The program stops.
    Stopped,
}

type Send = Arc<dyn Fn(Input) + std::marker::Send + Sync>;

/// The view in its terminal.
pub(super) struct Tui {
    view: View,
    send: Send,
    stop: Option<CancellationToken>,
    colors: bool,
    /// How lines are written when the view has ended.
    human: Option<Human>,
}

impl fmt::Debug for Tui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tui(..)")
    }
}

impl Tui {
    /// Takes the terminal. What is typed comes back through `send`.
    ///
    /// # Errors
    /// The terminal cannot be set up, or the system has no thread to give.
    pub(super) fn start(
        send: impl Fn(Input) + std::marker::Send + Sync + 'static,
        colors: bool,
        human: Human,
    ) -> io::Result<Self> {
        let send: Send = Arc::new(send);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // Its message is to be read, and whoever waits for keys would not get them.
            restore();
            before(panic);
        }));
        TAKEN.store(true, Ordering::SeqCst);
        let taken = terminal::enable_raw_mode().and_then(|()| write(ENTER));
        let keys = Arc::clone(&send);
        let reading = taken.and_then(|()| thread::Builder::new().name("keys".to_owned()).spawn(move || listen(&keys)));
        if let Err(error) = reading {
            restore();
            return Err(error);
        }
        let mut tui = Self { view: View::default(), send, stop: None, colors, human: Some(human) };
        tui.draw().inspect_err(|_| restore())?;
        Ok(tui)
    }

    /// Takes what has happened and shows it. When the view has ended it leaves `entries` for lines, and gives what writes them.
    pub(super) fn take(&mut self, entries: &mut VecDeque<Entry>, dropped: u64, inputs: Vec<Input>) -> Option<Human> {
        let by_itself = inputs.is_empty();
        let goes_on = inputs.into_iter().all(|input| self.input(input));
        if !goes_on {
            self.end();
            return self.human.take();
        }
        self.view.missed += dropped;
        entries.drain(..).for_each(|entry| self.view.event(entry));
        // A fault in the view takes the view away, and nothing else.
        let drawn = panic::catch_unwind(AssertUnwindSafe(|| self.draw()));
        if !matches!(drawn, Ok(Ok(()))) || !TAKEN.load(Ordering::SeqCst) {
            self.end();
            return self.human.take();
        }
        if by_itself {
            thread::sleep(FRAME);
        }
        None
    }

    /// Gives the terminal back, if that has not been done.
    pub(super) fn end(&mut self) {
        restore();
        if let Some(human) = &mut self.human {
            self.view.urls().for_each(|(tunnel, url)| human.has_shown(tunnel, url));
        }
    }

    /// Whether the view goes on.
    fn input(&mut self, input: Input) -> bool {
        let action = match input {
            Input::Terminal(Terminal::Key(key)) if key.kind == KeyEventKind::Press => self.view.key(key),
            Input::Terminal(_) => Action::None,
            Input::Said(id, said) => {
                self.view.said(id, said);
                Action::None
            }
            Input::Stops(token) => {
                self.stop = Some(token);
                Action::None
            }
            Input::Stopped => return false,
        };
        match action {
            Action::None => true,
            Action::Quit => {
                self.stop.iter().for_each(CancellationToken::cancel);
                self.stop.is_none()
            }
            Action::Look { inspector, id } => self.ask(id, move || ask::exchange(&inspector, id)),
            Action::Replay { inspector, id } => self.ask(id, move || ask::replay(&inspector, id)),
        }
    }

    fn ask(&mut self, id: u64, question: impl FnOnce() -> Result<Said, String> + std::marker::Send + 'static) -> bool {
        let send = Arc::clone(&self.send);
        let asking = thread::Builder::new().name("ask".to_owned()).spawn(move || send(Input::Said(id, question())));
        if let Err(error) = asking {
            self.view.said(id, Err(error.to_string()));
        }
        true
    }

    fn draw(&mut self) -> io::Result<()> {
        let size = terminal::window_size()?;
        write(&draw::picture(&mut self.view, size.columns.into(), size.rows.into(), self.colors))
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        restore();
    }
}

/// Reads the terminal until it is no longer the view's.
fn listen(send: &Send) {
    while let Ok(event) = event::read() {
        if !TAKEN.load(Ordering::SeqCst) {
            return;
        }
        send(Input::Terminal(event));
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The terminal as it was, once. Whoever does this has no better place to tell an error than the terminal itself.
fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _told_nowhere = write(LEAVE);
        let _told_nowhere = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::Code;
    use crate::forwarder::report::Event;
    use http::Method;
    use std::time::Duration;

    pub(super) fn online(name: &str) -> Event {
        Event::Online {
            name: name.to_owned(),
            url: format!("http://{name}.localhost:8080"),
            lan: Vec::new(),
            stream_url: None,
            service: "http://localhost:8000".to_owned(),
            port_taken: None,
            inspector: Some("http://127.0.0.1:4040".to_owned()),
        }
    }

    pub(super) fn request(target: &str, status: u16, inspected: u64) -> Event {
        Event::Request {
            method: Method::GET,
            target: target.to_owned(),
            status,
            bytes: 1536,
            elapsed: Duration::from_millis(12),
            from: Some("192.0.2.9".parse().expect("an address")),
            fault: (status == 502).then_some(Code::ServiceUnreachable),
            websocket: false,
            cut: false,
            inspected: Some(inspected),
        }
    }
}
