//! Contenders side by side: fresh processes for every row, and in every round each contender has one turn (ABCABC…).
//!
//! Whoever fails is out for the row and named in the report; the others go on.

use anyhow::Result;

use crate::{
    contender::{CONTENDERS, Contender, Tunnel},
    recipe::Setting,
    rows::Bench,
    stop,
    table::{Cell, Report},
};

/// Rows of many short rounds report only each tenth.
const PROGRESS_STEP: usize = 10;

/// What one turn measured; `None` where a contender has no such thing.
pub(crate) type Turn = Vec<Option<f64>>;

/// All contenders of one row.
pub(crate) struct Field<T> {
    lanes: Vec<Lane<T>>,
}

struct Lane<T> {
    contender: &'static Contender,
    /// `None` once it has failed.
    entrant: Option<T>,
    turns: Vec<Turn>,
}

impl<T> Field<T> {
    /// `prepare` gives `None` for a contender that has no part in the row.
    pub(crate) fn line_up(
        bench: &Bench,
        announce: bool,
        report: &mut Report,
        prepare: impl Fn(&Contender, &Setting) -> Result<Option<T>>,
    ) -> Self {
        let setting = bench.setting(announce);
        let mut lanes = Vec::new();
        for contender in CONTENDERS.iter().filter(|contender| bench.options.includes(contender.key)) {
            if stop::requested() {
                break;
            }
            match prepare(contender, &setting) {
                Ok(Some(entrant)) => lanes.push(Lane { contender, entrant: Some(entrant), turns: Vec::new() }),
                Ok(None) => {}
                Err(error) => report.fault(contender.label, &error),
            }
        }
        Self { lanes }
    }

    /// `rounds` turns for each.
    pub(crate) fn run(&mut self, rounds: usize, report: &mut Report, mut measure: impl FnMut(&mut T) -> Result<Turn>) {
        for round in 1..=rounds {
            if rounds < PROGRESS_STEP || round.is_multiple_of(PROGRESS_STEP) {
                eprintln!("  round {round} of {rounds}");
            }
            for lane in &mut self.lanes {
                if stop::requested() {
                    return;
                }
                let Some(entrant) = &mut lane.entrant else { continue };
                match measure(entrant) {
                    Ok(turn) => lane.turns.push(turn),
                    Err(error) => {
                        report.fault(lane.contender.label, &error);
                        lane.entrant = None;
                        lane.turns.clear();
                    }
                }
            }
        }
    }

    /// One cell per contender from all its turns.
    pub(crate) fn cells(&self, from: impl Fn(&[Turn]) -> Vec<f64>) -> Vec<Cell> {
        self.lanes.iter().map(|lane| Cell { key: lane.contender.key, values: from(&lane.turns) }).collect()
    }

    /// The cells of the figure at `index` of each turn.
    pub(crate) fn figure(&self, index: usize) -> Vec<Cell> {
        self.cells(|turns| turns.iter().filter_map(|turn| turn[index]).collect())
    }
}

impl Field<Tunnel> {
    /// Everybody's tunnel, up.
    pub(crate) fn of_tunnels(bench: &Bench, report: &mut Report) -> Self {
        Self::line_up(bench, false, report, |contender, setting| contender.start(setting).map(Some))
    }

    /// As `run`; a program that ended explains a failed turn better than the broken connection does.
    pub(crate) fn run_tunnels(
        &mut self,
        rounds: usize,
        report: &mut Report,
        mut measure: impl FnMut(&Tunnel) -> Result<Turn>,
    ) {
        self.run(rounds, report, |tunnel| measure(tunnel).or_else(|error| tunnel.check().and(Err(error))));
    }
}
