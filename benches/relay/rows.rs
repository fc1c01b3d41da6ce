//! The rows of the report, one function each.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};

use crate::{
    contender::{Contender, Tunnel},
    field::{Field, Turn},
    machine,
    options::Options,
    process::Resident,
    programs::{Programs, stripped_size},
    recipe::Setting,
    service::Service,
    stop, streams,
    table::{Cell, Report, Row, median},
    visitor::{SILENCE_LIMIT, Visitor},
    wrk::{self, Connections},
};

type Measure = fn(&Bench, &mut Report);

/// All rows, by the key that `--rows` takes.
pub(crate) static ROWS: [(&str, Measure); 8] = [
    ("keepalive", keepalive),
    ("connections", connections),
    ("latency", latency),
    ("download", download),
    ("upload", upload),
    ("streams", event_streams),
    ("start", start),
    ("size", size),
];

/// Answers that a new connection gives before its latency counts.
const WARM_UP: usize = 200;

/// How often memory is looked at during a transfer.
const SAMPLE: Duration = Duration::from_millis(50);

/// What all rows share.
pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    programs: Programs,
    service: Service,
    folder: Folder,
}

/// Runs the rows that `options` wants.
pub(crate) fn measure(options: &Options) -> Result<Report> {
    let folder = Folder::create()?;
    let programs = Programs::find(|key| options.includes(key))?;
    let service = Service::start(&folder.0)?;
    let bench = Bench { options, programs, service, folder };
    let mut report = Report::new(bench.preface()?, |key| options.includes(key));
    for (key, row) in ROWS.iter().filter(|(key, _)| options.wants(key)) {
        report.begin(key);
        row(&bench, &mut report);
        ensure!(!stop::requested(), "stopped by a signal");
    }
    Ok(report)
}

impl Bench<'_> {
    pub(crate) fn setting(&self, announce: bool) -> Setting<'_> {
        Setting { programs: &self.programs, service: self.service.address, folder: &self.folder.0, announce }
    }

    fn preface(&self) -> Result<Vec<String>> {
        let Options { rounds, seconds, latency_rounds, latency_millis, body_rounds, starts, .. } = self.options;
        let mut tools = self.programs.versions.join(", ");
        if self.options.wants("keepalive") || self.options.wants("connections") {
            tools += &format!("; {} with 1 thread and {} connections", wrk::version()?, wrk::CONNECTIONS);
        }
        Ok(vec![
            format!("Measured {}.", machine::describe()?),
            format!(
                "{tools}; everything on 127.0.0.1, logs off, contenders in turn: {rounds} rounds of {seconds} s, \
                 {latency_rounds} of {latency_millis} ms for latency, {body_rounds} of bodies, {starts} starts. MB = 10^6 bytes. \
                 The embedded relay is one process, counted as the local end."
            ),
        ])
    }
}

/// Files of this run, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("relay-bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("could not create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind at worst, under target/.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn keepalive(bench: &Bench, report: &mut Report) {
    load(bench, report, Connections::Kept, "small GET, keep-alive, c=32", ">= 1.0x bore");
}

fn connections(bench: &Bench, report: &mut Report) {
    load(bench, report, Connections::PerRequest, "small GET, a connection each, c=32", ">= 2x bore");
}

fn load(bench: &Bench, report: &mut Report, connections: Connections, what: &str, target: &'static str) {
    let mut field = Field::of_tunnels(bench, report);
    field.run_tunnels(bench.options.rounds, report, |tunnel| {
        let before = tunnel.cpu_seconds()?;
        let load = wrk::run(&tunnel.target, connections, bench.options.seconds, &bench.folder.0)?;
        let micros_each = (tunnel.cpu_seconds()? - before) * 1e6 / load.requests;
        Ok(vec![Some(load.per_second), tunnel.local.is_some().then_some(micros_each), Some(load.failed)])
    });
    report.add(Row { what: format!("{what}: requests/s"), decimals: 0, ratio: true, target, cells: field.figure(0) });
    let cpu = format!("{what}: CPU of both ends per request, µs");
    report.add(Row { what: cpu, decimals: 1, ratio: true, target: "", cells: field.figure(1) });
    let failed = field.cells(|turns| vec![turns.iter().filter_map(|turn| turn[2]).sum()]);
    if failed.iter().any(|cell| cell.values.iter().any(|failed| *failed > 0.0)) {
        let what = format!("{what}: failed in all rounds");
        report.add(Row { what, decimals: 0, ratio: false, target: "none", cells: failed });
    }
}

fn latency(bench: &Bench, report: &mut Report) {
    let mut field = Field::of_tunnels(bench, report);
    let length = Duration::from_millis(bench.options.latency_millis);
    field.run_tunnels(bench.options.latency_rounds, report, |tunnel| Ok(vec![Some(median_latency(tunnel, length)?)]));
    let cells = field.figure(0);
    let direct: Vec<f64> =
        cells.iter().find(|cell| cell.key == "direct").map(|cell| cell.values.clone()).unwrap_or_default();
    let added = |cell: &Cell| {
        let values = cell.values.iter().zip(&direct).map(|(through, direct)| through - direct);
        Cell { key: cell.key, values: values.collect() }
    };
    let added = cells.iter().filter(|cell| cell.key != "direct").map(added).collect();
    let what = |which: &str| format!("small GET, keep-alive, c=1: {which} p50, µs");
    report.add(Row { what: what("total"), decimals: 1, ratio: false, target: "", cells });
    report.add(Row { what: what("added"), decimals: 1, ratio: true, target: "<= 1.0x bore", cells: added });
}

/// In microseconds; wrk's own percentiles are too coarse for one connection.
fn median_latency(tunnel: &Tunnel, length: Duration) -> Result<f64> {
    let mut visitor = Visitor::connect(&tunnel.target, SILENCE_LIMIT)?;
    for _ in 0..WARM_UP {
        visitor.get("/small")?;
    }
    let mut samples = Vec::new();
    let end = Instant::now() + length;
    while Instant::now() < end {
        let start = Instant::now();
        visitor.get("/small")?;
        samples.push(start.elapsed().as_secs_f64() * 1e6);
    }
    median(&samples).context("no answer in time")
}

fn download(bench: &Bench, report: &mut Report) {
    let bytes = bench.options.body_bytes;
    bodies(bench, report, "download", |tunnel| {
        let length = Visitor::connect(&tunnel.target, SILENCE_LIMIT)?.get(&format!("/big?{bytes}"))?;
        ensure!(length == bytes, "{length} of {bytes} bytes arrived");
        Ok(())
    });
}

fn upload(bench: &Bench, report: &mut Report) {
    let bytes = bench.options.body_bytes;
    bodies(bench, report, "upload", |tunnel| Visitor::connect(&tunnel.target, SILENCE_LIMIT)?.put("/sink", bytes));
}

fn bodies(bench: &Bench, report: &mut Report, what: &str, transfer: impl Fn(&Tunnel) -> Result<()>) {
    let mut field = Field::of_tunnels(bench, report);
    let megabytes = bench.options.body_bytes as f64 / 1e6;
    field.run_tunnels(bench.options.body_rounds, report, |tunnel| {
        let (took, usual) = usual_memory(tunnel, || transfer(tunnel))?;
        let rate = megabytes / took.as_secs_f64();
        let [public, local] = tunnel.resident()?.map(|side| side.map(|memory: Resident| memory.peak / 1e6));
        Ok(vec![Some(rate), public, local, usual[0], usual[1]])
    });
    let what = format!("{} MiB {what}", bench.options.body_bytes >> 20);
    let highest = |index: usize| {
        field.cells(|turns| turns.iter().filter_map(|turn| turn[index]).reduce(f64::max).into_iter().collect())
    };
    let grown = |turns: &[Turn]| -> Vec<f64> {
        let side = |index: usize| Some(turns.last()?[index]? - turns.first()?[index]?);
        [side(3), side(4)].into_iter().flatten().reduce(f64::max).into_iter().collect()
    };
    report.add(Row {
        what: format!("{what}: MB/s"),
        decimals: 0,
        ratio: true,
        target: ">= 1.0x bore",
        cells: field.figure(0),
    });
    for (index, end) in [(1, "public"), (2, "local")] {
        let what = format!("{what}: peak memory of the {end} end, MB");
        report.add(Row { what, decimals: 1, ratio: false, target: "< 64 MB", cells: highest(index) });
    }
    let what = format!("{what}: memory grown from the first body to the last, the worse end, MB");
    report.add(Row { what, decimals: 1, ratio: false, target: "flat", cells: field.cells(grown) });
}

/// How long `work` took, and the median resident memory of each end meanwhile, in MB.
fn usual_memory(tunnel: &Tunnel, work: impl FnOnce() -> Result<()>) -> Result<(Duration, [Option<f64>; 2])> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| -> Result<_> {
            let mut samples = [Vec::new(), Vec::new()];
            while !done.load(Ordering::Relaxed) {
                for (memory, samples) in tunnel.resident()?.iter().zip(&mut samples) {
                    samples.extend(memory.map(|memory| memory.now / 1e6));
                }
                thread::sleep(SAMPLE);
            }
            Ok(samples.map(|samples| median(&samples)))
        });
        let start = Instant::now();
        let outcome = work();
        let took = start.elapsed();
        done.store(true, Ordering::Relaxed);
        let usual = sampler.join().map_err(|_| anyhow!("the memory sampler panicked"))?;
        outcome.and(Ok((took, usual?)))
    })
}

fn event_streams(bench: &Bench, report: &mut Report) {
    let count = bench.options.streams;
    let mut field = Field::of_tunnels(bench, report);
    field.run_tunnels(1, report, |tunnel| {
        let outcome = streams::run(tunnel, count)?;
        let [public, local] = outcome.grown.map(|grown| grown.map(|bytes| bytes / 1e3 / count as f64));
        Ok(vec![Some(outcome.served as f64), public, local])
    });
    let what = format!("{count} event streams");
    report.add(Row {
        what: format!("{what}: served"),
        decimals: 0,
        ratio: false,
        target: "all",
        cells: field.figure(0),
    });
    for (index, end) in [(1, "public"), (2, "local")] {
        let what = format!("{what}: memory each, {end} end, KB");
        report.add(Row { what, decimals: 1, ratio: true, target: "< 100 KB", cells: field.figure(index) });
    }
}

fn start(bench: &Bench, report: &mut Report) {
    let mut field = Field::line_up(bench, true, report, Contender::await_starts);
    field.run(bench.options.starts, report, |starts| Ok(vec![Some(starts.time(&bench.folder.0)?.as_secs_f64() * 1e3)]));
    let what = "start of the local end until it says that the tunnel is up, ms".into();
    report.add(Row { what, decimals: 1, ratio: true, target: "< 100 ms", cells: field.figure(0) });
}

fn size(bench: &Bench, report: &mut Report) {
    let Programs { forwarder, relay, bore, rathole, .. } = &bench.programs;
    let local = [("bore", bore), ("rathole", rathole), ("ours", forwarder), ("embedded", forwarder)];
    let public = [("bore", bore), ("rathole", rathole), ("ours", relay)];
    for (end, programs, target) in [("local", &local[..], "< 8 MB"), ("public", &public[..], "")] {
        let mut cells = Vec::new();
        for &(key, program) in programs.iter().filter(|(key, _)| bench.options.includes(key)) {
            match stripped_size(program, &bench.folder.0) {
                Ok(bytes) => cells.push(Cell { key, values: vec![bytes / 1e6] }),
                Err(error) => report.fault(key, &error),
            }
        }
        report.add(Row {
            what: format!("stripped program of the {end} end, MB"),
            decimals: 2,
            ratio: true,
            target,
            cells,
        });
    }
}
