//! What the fuzzer found interesting, on a stable compiler: each file of the corpus, and a fixed number of mutations of
//! them, the same ones in every run.

#[path = "../fuzz/properties.rs"]
mod properties;

use std::path::Path;

/// Mutations of each target's corpus: half a minute for all of them without optimisation.
const MUTATIONS: usize = 150_000;

/// Longest mutated input.
const LONGEST: usize = 4096;

/// A small generator of numbers; the same seed gives the same ones (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides.max(1)
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("the folder is readable").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file of the corpus is readable")).collect()
}

/// One to four changes: a bit, a byte, a number at a border, a piece left out, repeated or taken from another file.
fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        let end = at + dice.roll((bytes.len() - at).min(16) + 1);
        match dice.roll(7) {
            0 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << dice.roll(8)),
            1 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte = dice.roll(256) as u8),
            2 => bytes[at..end].fill([0, 0xff, 0x7f, 0x80, b'\r', b'\n', b'"'][dice.roll(7)]),
            3 => drop(bytes.drain(at..end)),
            4 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            5 => bytes.insert(at, dice.roll(256) as u8),
            _ => {
                let other = &others[dice.roll(others.len())];
                let from = dice.roll(other.len() + 1);
                let to = from + dice.roll(other.len() - from + 1);
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
        }
    }
    bytes.truncate(LONGEST);
}

fn run(target: &str, property: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 20, "the corpus of {target} has {} files", corpus.len());
    corpus.iter().for_each(|input| property(input));
    let mut dice = Dice(0x0123_4567_89ab_cdef);
    for n in 0..MUTATIONS {
        let mut input = corpus[dice.roll(corpus.len())].clone();
        mutate(&mut input, &corpus, &mut dice);
        let held = std::panic::catch_unwind(|| property(&input));
        assert!(held.is_ok(), "mutation {n} of {target}: {:?}", input.escape_ascii().to_string());
    }
}

#[test]
fn messages_to_the_gate_survive_their_encoding() {
    run("wire_to_gate", properties::wire_to_gate);
}

#[test]
fn messages_to_a_forwarder_survive_their_encoding() {
    run("wire_to_forwarder", properties::wire_to_forwarder);
}

#[test]
fn parts_in_any_order_come_out_as_a_list_of_them_says() {
    run("assembly", properties::assembly);
}

#[test]
fn no_head_breaks_a_line_or_a_rule() {
    run("head", properties::head);
}
