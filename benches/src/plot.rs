//! The ratios as a picture: a line for each program, a dot for each engine, on
//! a logarithmic scale.

use crate::engines::{Engine, Installed};
use crate::suite::Row;
use std::fmt;

const LINE: f64 = 18.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 70.0;
const WIDTH: f64 = 900.0;
/// The ends of the scale; what lies outside is drawn there.
const LEAST: f64 = 0.5;
const MOST: f64 = 8.0;
const TICKS: &[f64] = &[0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0];

/// Written out, it is SVG.
pub struct Plot<'a> {
    /// The figures.
    pub rows: &'a [Row],
    /// The engines that were measured, in order.
    pub engines: &'a [Installed],
}

impl fmt::Display for Plot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bottom = TOP + LINE * self.rows.len() as f64;
        writeln!(
            f,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="10" y="20" font-size="15">CPU time in times of native code (left is faster)</text>"#,
            height = bottom + 10.0
        )?;
        for (place, installed) in self.engines.iter().enumerate() {
            let x = 20.0 + 130.0 * place as f64;
            dot(f, x, 38.0, installed.engine)?;
            writeln!(f, r#"<text x="{}" y="42">{}</text>"#, x + 8.0, installed.engine.name())?;
        }
        for &tick in TICKS {
            let (x, colour) = (across(tick), if tick == 1.0 { "black" } else { "#ddd" });
            writeln!(f, r#"<path d="M{x:.1} {TOP}V{bottom}" stroke="{colour}"/>"#)?;
            let y = TOP - 5.0;
            writeln!(f, r#"<text x="{x:.1}" y="{y}" text-anchor="middle">{tick}</text>"#)?;
        }
        for (place, row) in self.rows.iter().enumerate() {
            let y = TOP + LINE * (place as f64 + 0.5);
            let (x, below, label) = (LEFT - 10.0, y + 4.0, row.label());
            writeln!(f, r#"<text x="{x}" y="{below}" text-anchor="end">{label}</text>"#)?;
            // The first on top of the others.
            for installed in self.engines.iter().rev() {
                if let Some(ratio) = row.ratio(installed.engine) {
                    dot(f, across(ratio), y, installed.engine)?;
                }
            }
        }
        writeln!(f, "</svg>")
    }
}

fn across(ratio: f64) -> f64 {
    let part = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + part * (WIDTH - LEFT - RIGHT)
}

fn dot(f: &mut fmt::Formatter<'_>, x: f64, y: f64, engine: Engine) -> fmt::Result {
    let colour = colour(engine);
    writeln!(f, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4.5" fill="{colour}" opacity="0.85"/>"#)
}

/// Told apart by the colour-blind, too.
fn colour(engine: Engine) -> &'static str {
    match engine {
        Engine::Wasm2so => "#d55e00",
        Engine::Wasmtime => "#0072b2",
        Engine::Wasmer => "#cc79a7",
        Engine::Wamr => "#009e73",
        Engine::Wasmedge => "#e69f00",
        Engine::Node => "#56b4e9",
    }
}
