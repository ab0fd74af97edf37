//! Rows of pruned weights as they lie in DRAM, from those of the weight buffer: [`hw::form`].

use hw::form::{POSITION_BEATS, positions};
use hw::{Form, Geometry};

/// Rows in a form; those of the buffer are whole packets of it. Positions are those of the first of the outputs that share them, and
/// those of padding are ascending ones.
pub fn rows(rows: Vec<u8>, form: Form, g: &Geometry) -> Vec<u8> {
    let Some(sharing) = form.sharing() else { return rows };
    let (beat, half) = (g.beat as usize, g.kept_codes() as usize);
    let parts: Vec<(&[u8], &[u8])> = rows
        .chunks_exact(2 * half)
        .map(|row| row.split_at(half))
        .flat_map(|(codes, positions)| codes.chunks_exact(beat).zip(positions.chunks_exact(beat)))
        .collect();
    // Fours of an output, and outputs of a beat.
    let (fours, outputs) = (g.lp / 2, 4 * g.beat / g.lp);
    let mut packed = Vec::with_capacity(rows.len());
    for packet in parts.chunks_exact(4 * sharing as usize) {
        let mut narrow = vec![0; POSITION_BEATS as usize * beat];
        let of_beat = |of: &[u8]| -> Vec<u8> {
            let first = (0..outputs).step_by(sharing as usize);
            first
                .flat_map(|output| (0..fours).map(move |four| output * fours + four))
                .map(|at| code(of, at))
                .collect()
        };
        for (n, code) in packet.iter().flat_map(|(_, positions)| of_beat(positions)).enumerate() {
            (0..3).for_each(|i| narrow[(3 * n + i) / 8] |= (code >> i & 1) << ((3 * n + i) % 8));
        }
        packed.extend(narrow);
        packet.iter().for_each(|(codes, _)| packed.extend(*codes));
    }
    packed
}

/// The code of the positions of a four of a beat.
fn code(of: &[u8], four: u32) -> u8 {
    let nibble = u32::from(of[(four / 2) as usize] >> (four % 2 * 4));
    let wanted = [nibble & 3, nibble >> 2 & 3];
    (0..6).find(|&code| positions(code) == wanted).unwrap_or(0) as u8
}
