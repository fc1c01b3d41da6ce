//! Many event streams at once: a stream counts as served only while its events keep coming.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{contender::Tunnel, process::POLL, visitor::Target};

/// Streams that wait for their first event at once: opening is not what is measured here.
const OPENING: usize = 50;

/// How long until all streams must have had an event.
const OPEN_LIMIT: Duration = Duration::from_secs(30);

/// How long open streams are watched, at one event a second.
const WATCH: Duration = Duration::from_secs(5);

/// Events that a stream must bring while it is watched; two fewer than are sent, for a busy machine.
const EVENTS_EXPECTED: u32 = 3;

/// What the streams cost.
pub(crate) struct Outcome {
    pub(crate) served: usize,
    /// Growth of resident memory in bytes, of the public and of the local end.
    pub(crate) grown: [Option<f64>; 2],
}

/// Opens `count` streams, watches them, and closes them.
pub(crate) fn run(tunnel: &Tunnel, count: usize) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(tunnel, count))
}

async fn watch(tunnel: &Tunnel, count: usize) -> Result<Outcome> {
    let before = tunnel.resident()?;
    let counters: Arc<[AtomicU32]> = (0..count).map(|_| AtomicU32::new(0)).collect();
    let mut readers = open(&tunnel.target, &counters);
    let deadline = Instant::now() + OPEN_LIMIT;
    while counters.iter().any(|events| events.load(Ordering::Relaxed) == 0) && Instant::now() < deadline {
        sleep(POLL).await;
    }
    let at_start: Vec<u32> = counters.iter().map(|events| events.load(Ordering::Relaxed)).collect();
    let mut grown = [None; 2];
    let end = Instant::now() + WATCH;
    while Instant::now() < end {
        grown = grown_most(grown, tunnel, &before)?;
        sleep(POLL * 10).await;
    }
    let served = counters
        .iter()
        .zip(at_start)
        .filter(|(events, start)| events.load(Ordering::Relaxed) >= start + EVENTS_EXPECTED);
    let served = served.count();
    // The first reader that ended says why, if not all were served.
    if served < count
        && let Some(Ok(Err(error))) = readers.try_join_next()
    {
        eprintln!("    a stream ended: {error:#}");
    }
    Ok(Outcome { served, grown })
}

fn grown_most(
    so_far: [Option<f64>; 2],
    tunnel: &Tunnel,
    before: &[Option<crate::process::Resident>; 2],
) -> Result<[Option<f64>; 2]> {
    let now = tunnel.resident()?;
    let side = |index: usize| {
        let grown = now[index]?.now - before[index]?.now;
        Some(so_far[index].map_or(grown, |most: f64| most.max(grown)))
    };
    Ok([side(0), side(1)])
}

/// One task per stream; all end when the set drops.
fn open(target: &Target, counters: &Arc<[AtomicU32]>) -> JoinSet<Result<()>> {
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut readers = JoinSet::new();
    for index in 0..counters.len() {
        readers.spawn(read(target.clone(), Arc::clone(counters), index, Arc::clone(&opening)));
    }
    readers
}

async fn read(target: Target, counters: Arc<[AtomicU32]>, index: usize, opening: Arc<Semaphore>) -> Result<()> {
    let mut turn = Some(opening.acquire_owned().await.context("the semaphore is never closed")?);
    let mut stream = timeout(OPEN_LIMIT, TcpStream::connect(target.address)).await??;
    stream.write_all(format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", target.host).as_bytes()).await?;
    let mut buffer = [0; 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        ensure!(length > 0, "it was closed");
        if turn.is_some() {
            ensure!(
                buffer[..length].starts_with(b"HTTP/1.1 200"),
                "answered {}",
                String::from_utf8_lossy(&buffer[..length.min(40)])
            );
            turn = None;
        }
        let events = buffer[..length].iter().filter(|byte| **byte == b'*').count();
        counters[index].fetch_add(events as u32, Ordering::Relaxed);
    }
}
