//! Noise: a body of any length that both its ends can make, so that one end checks every byte of what the other sent.

use anyhow::{Result, ensure};

const BLOCK: usize = 64 * 1024;

/// A position in the one endless body. Each block carries its number, so a block lost, doubled or moved shows.
pub(crate) struct Noise {
    block: Vec<u8>,
    position: u64,
}

impl Noise {
    /// The beginning.
    pub(crate) fn start() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let block = std::iter::repeat_with(|| {
            // Marsaglia's xorshift: no text, no repetition, and nothing that compresses.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        Self { block: block.take(BLOCK / 8).flatten().collect(), position: 0 }
    }

    /// The first `length` bytes.
    pub(crate) fn bytes(length: usize) -> Vec<u8> {
        let mut noise = Self::start();
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let piece = noise.next(length - bytes.len());
            bytes.extend_from_slice(piece);
        }
        bytes
    }

    /// The bytes that follow: at least one, at most `most`.
    pub(crate) fn next(&mut self, most: usize) -> &[u8] {
        let number = self.position / BLOCK as u64;
        let start = (self.position % BLOCK as u64) as usize;
        let end = BLOCK.min(start.saturating_add(most));
        self.block[..8].copy_from_slice(&number.to_le_bytes());
        self.position += (end - start) as u64;
        &self.block[start..end]
    }

    /// Moves over bytes that came from elsewhere; they must be the ones that follow.
    pub(crate) fn expect(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let position = self.position;
            let wanted = self.next(bytes.len());
            let (piece, rest) = bytes.split_at(wanted.len());
            ensure!(piece == wanted, "damaged after byte {position}");
            bytes = rest;
        }
        Ok(())
    }

    /// How many bytes lie behind.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }
}
