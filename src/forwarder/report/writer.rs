//! The thread that writes: by the batch, and only as fast as somebody reads.

use super::{Batch, Entry, Event, Page, Queue, Style};
use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, PoisonError};

/// What that thread has.
pub(super) struct Writer<O, E> {
    pub(super) queue: Arc<Queue>,
    pub(super) style: Style,
    /// `None` once it is broken.
    pub(super) out: Option<O>,
    pub(super) err: Option<E>,
}

impl<O: Write, E: Write> Writer<O, E> {
    /// Writes until there will be nothing more.
    pub(super) fn run(&mut self) {
        while let Some(mut batch) = self.take() {
            if let Style::View(view) = &mut self.style {
                // Inputs and what came before the view's end are the view's; the rest is written line by line.
                match view.take(&mut batch.entries, batch.dropped, batch.inputs) {
                    Some(human) => self.style = Style::Human(human),
                    None => continue,
                }
            }
            self.lines(&batch.entries, batch.dropped);
        }
        if let Style::View(view) = &mut self.style {
            view.end();
        }
        self.queue.lock().done = true;
        self.queue.written.notify_all();
    }

    fn lines(&mut self, entries: &VecDeque<Entry>, dropped: u64) {
        let mut page = Page::default();
        for entry in entries {
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

    /// Waits for entries; `None`: there will be no more.
    fn take(&self) -> Option<Batch> {
        let mut state = self.queue.lock();
        while state.entries.is_empty() && state.inputs.is_empty() && state.dropped == 0 {
            if state.closed {
                return None;
            }
            state = self.queue.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.requests = 0;
        let (entries, inputs) = (std::mem::take(&mut state.entries), std::mem::take(&mut state.inputs));
        Some(Batch { entries, inputs, dropped: std::mem::take(&mut state.dropped) })
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
