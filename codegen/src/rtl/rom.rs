//! ROM modules: the points of `ir::num::tables`, each with the rise to the next one.

use askama::Template;
use ir::num::tables;

/// What `tw_rom.sv` shows.
#[derive(Template)]
#[template(path = "rtl/tw_rom.sv", escape = "none")]
pub(super) struct View {
    name: &'static str,
    what: &'static str,
    entries: Vec<String>,
}

impl View {
    fn new(name: &'static str, what: &'static str, segments: impl Iterator<Item = [u32; 2]>) -> View {
        let mut entries: Vec<String> = segments.enumerate().map(|(i, segment)| entry(i, segment)).collect();
        // The last segment is the default: the case is complete for every tool.
        if let Some(last) = entries.last_mut() {
            *last = last.replacen("8'd255", "default", 1);
        }
        View { name, what, entries }
    }

    pub(super) fn recip() -> View {
        View::new("tw_rom_recip", "2^31 / (2^15 + 128 i)", segments(&tables::RECIP))
    }

    /// Segments of even exponents first.
    pub(super) fn rsqrt() -> View {
        let what = "2^23 / sqrt((2^15 + 256 i) * 2^par), index = {par, i[6:0]}";
        View::new("tw_rom_rsqrt", what, tables::RSQRT.iter().flat_map(|points| segments(points)))
    }

    pub(super) fn exp2() -> View {
        View::new("tw_rom_exp2", "2^15 * 2^(-i / 256)", segments(&tables::EXP2))
    }

    pub(super) fn sin() -> View {
        View::new("tw_rom_sin", "2^15 * sin(pi / 2 * i / 256)", segments(&tables::SIN))
    }

    pub(super) fn sigmoid() -> View {
        View::new("tw_rom_sigmoid", "2^16 / (1 + exp(-i / 16))", segments(&tables::SIGMOID))
    }

    pub(super) fn phi() -> View {
        View::new("tw_rom_phi", "2^16 * (1 + erf(i / 32 / sqrt(2))) / 2", segments(&tables::PHI))
    }

    pub(super) fn phi_tanh() -> View {
        let what = "2^16 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2, x = i / 32";
        View::new("tw_rom_phi_tanh", what, segments(&tables::PHI_TANH))
    }

    pub(super) fn hard_sigmoid() -> View {
        View::new("tw_rom_hard_sigmoid", "2^16 * min(1 / 2 + i / 96, 1)", segments(&tables::HARD_SIGMOID))
    }

    pub(super) fn softplus() -> View {
        View::new("tw_rom_softplus", "2^16 * ln(1 + exp(-i / 16))", segments(&tables::SOFTPLUS))
    }

    pub(super) fn log2() -> View {
        View::new("tw_rom_log2", "2^16 * log2(1 + i / 256)", segments(&tables::LOG2))
    }
}

fn segments(points: &[u32]) -> impl Iterator<Item = [u32; 2]> {
    points.windows(2).map(|w| [w[0], w[1]])
}

fn entry(index: usize, [point, next]: [u32; 2]) -> String {
    let rise = i64::from(next) - i64::from(point);
    let sign = if rise < 0 { "-" } else { "" };
    let label = format!("8'd{index}:");
    format!("{label:<8} {{rise_o, base_o}} = {{{sign}12'sd{}, 17'd{point}}};", rise.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_fits_its_ports() {
        for points in [
            &tables::RECIP[..],
            &tables::RSQRT[0],
            &tables::RSQRT[1],
            &tables::EXP2,
            &tables::SIN,
            &tables::SIGMOID,
            &tables::PHI,
            &tables::PHI_TANH,
            &tables::HARD_SIGMOID,
            &tables::SOFTPLUS,
            &tables::LOG2,
        ] {
            for [point, next] in segments(points) {
                assert!(point < 1 << 17 && next.abs_diff(point) < 1 << 11);
            }
        }
    }

    #[test]
    fn every_rom_has_its_segments() {
        let per_vector = [View::recip(), View::rsqrt()];
        let gates = [View::sigmoid(), View::phi(), View::phi_tanh(), View::hard_sigmoid()];
        let others = [View::exp2(), View::sin(), View::softplus(), View::log2()];
        for view in per_vector.into_iter().chain(others).chain(gates) {
            assert_eq!(view.entries.len(), 256, "{}", view.name);
            assert!(view.entries[255].starts_with("default: "), "{}", view.name);
        }
    }
}
