//! A signal ends the run between two turns, so that every child and file is cleaned up; a second one ends it at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Watches for signals until the process ends.
pub(crate) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let context = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(context);
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
                if REQUESTED.swap(true, Ordering::Relaxed) {
                    std::process::exit(1);
                }
                eprintln!("stopping after this turn; once more to stop at once");
            }
        });
    });
    Ok(())
}

pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
