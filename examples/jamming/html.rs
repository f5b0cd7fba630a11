//! The report: one HTML page that needs nothing else, with charts in SVG, for light and dark.

use std::fmt::Write;

use crate::guard::Protection;
use crate::ledger::Sample;
use crate::options::Options;
use crate::run::Run;
use crate::verdict::{Figures, REVENUE_KEPT_PERCENT};
use crate::world::DAY_MS;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --page: #fff;
  --panel: #f6f8fa; --c0: #b3261e; --c1: #b26a00; --c2: #0b6bcb; --c3: #1a7f37; --c4: #8250df; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --line: #3d444d;
  --page: #0d1117; --panel: #151b23; --c0: #ff8a80; --c1: #f0b429; --c2: #6cb6ff; --c3: #57d364;
  --c4: #c297ff; } }
body { margin: 2rem auto; max-width: 64rem; padding: 0 1rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
.wrap { overflow-x: auto; } .bad { color: var(--c0); font-weight: 600; } p { color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .8rem; background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; } figcaption { font-size: .9rem; font-weight: 600; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 11px; }
.key { font-size: .8rem; color: var(--soft); } .key span { margin-right: .9rem; white-space: nowrap; }
.key i { display: inline-block; width: 1.1rem; margin-right: .3rem; vertical-align: middle;
  border-top: 3px solid; } .key i.dashed { border-top-style: dashed; }
";

/// One line of a chart.
struct Series {
    name: String,
    colour: usize,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// The page.
pub fn page(options: &Options, figures: &[Figures], runs: &[Run], broken: &[String]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Channel jamming, seed {}</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>Channel jamming against lnkeep</h1>\n\
         <p>Seed {}. Every attack against the same network and the same honest payments, \
         without protection and with each guard. Revenue: the target's fees on honest payments to \
         peers with reputation, measured against the same time without attack or protection.</p>\n",
        options.seed, options.seed
    );
    for line in broken {
        let _ = writeln!(page, "<p class=\"bad\">Broken: {line}</p>");
    }
    page += &table(figures);
    for name in &options.attacks {
        let runs: Vec<&Run> = runs.iter().filter(|run| run.attack == Some(*name)).collect();
        let figures: Vec<&Figures> =
            figures.iter().filter(|one| one.attack == Some(*name)).collect();
        let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", name.name(), name.story());
        let _ = writeln!(page, "<div class=\"charts\">");
        page += &chart("Revenue of the target, % of peace", "%", &revenue(&figures));
        page += &chart("Reputation, sat", "sat", &reputation(&runs));
        page += &chart("How full its incoming channels are, %", "%", &channels(&runs));
        page += &chart("Its buckets under the last guard, %", "%", &buckets(&runs));
        let _ = writeln!(page, "</div>");
    }
    page += "</body></html>\n";
    page
}

fn table(figures: &[Figures]) -> String {
    let mut text = String::from(
        "<div class=\"wrap\"><table><tr><th>attack</th><th>guard</th><th>revenue of peace</th>\
         <th>honest accountable HTLCs</th><th>of those failed</th><th>payments delivered</th>\
         <th>attacker paid (msat)</th><th>its HTLCs</th><th>its channels</th></tr>\n",
    );
    for one in figures {
        let class = if one.revenue_percent < REVENUE_KEPT_PERCENT { " class=\"bad\"" } else { "" };
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td{class}>{:.1} %</td><td>{}</td><td>{}</td>\
             <td>{:.1} %</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            one.attack_name(),
            one.protection.name(),
            one.revenue_percent,
            one.accountable,
            one.accountable_failed_text(),
            one.delivered_percent,
            one.cost_msat,
            one.attack_htlcs,
            one.attack_channels,
        );
    }
    text + "</table></div>\n"
}

fn colour(protection: Protection) -> usize {
    match protection {
        Protection::None => 0,
        Protection::Compat => 1,
        Protection::Strict => 2,
    }
}

fn revenue(figures: &[&Figures]) -> Vec<Series> {
    let series = figures.iter().map(|one| Series {
        name: one.protection.name().to_string(),
        colour: colour(one.protection),
        dashed: false,
        points: one.course.clone(),
    });
    series.collect()
}

/// A value of each sample, by days from the beginning of the attack; the peace before it as far
/// back as the attack is long.
fn over_time(run: &Run, value: impl Fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let period_ms = run.times.end_ms - run.times.attack_ms;
    let from_ms = run.times.attack_ms - period_ms;
    let days = |at_ms: u64| (at_ms as f64 - run.times.attack_ms as f64) / DAY_MS as f64;
    let shown = run.ledger.samples.iter().filter(|sample| sample.at_ms >= from_ms);
    shown.map(|sample| (days(sample.at_ms), value(sample))).collect()
}

fn reputation(runs: &[&Run]) -> Vec<Series> {
    let mut series = Vec::new();
    for run in runs.iter().filter(|run| run.protection != Protection::None) {
        let guard = run.protection.name();
        series.push(Series {
            name: format!("{guard}: lowest honest peer"),
            colour: colour(run.protection),
            dashed: false,
            points: over_time(run, |sample| sample.reputation_low_msat as f64 / 1000.0),
        });
        series.push(Series {
            name: format!("{guard}: attacker"),
            colour: colour(run.protection),
            dashed: true,
            points: over_time(run, |sample| sample.reputation_attacker_msat as f64 / 1000.0),
        });
        series.push(Series {
            name: format!("{guard}: the target, at all its neighbours"),
            colour: colour(run.protection) + 2,
            dashed: false,
            points: over_time(run, |sample| sample.standing_msat as f64 / 1000.0),
        });
    }
    series
}

fn channels(runs: &[&Run]) -> Vec<Series> {
    let series = runs.iter().map(|run| Series {
        name: run.protection.name().to_string(),
        colour: colour(run.protection),
        dashed: false,
        points: over_time(run, |sample| 100.0 * sample.channels),
    });
    series.collect()
}

fn buckets(runs: &[&Run]) -> Vec<Series> {
    let last = runs.last().filter(|run| run.protection != Protection::None);
    let names = ["general", "congestion", "protected"];
    let series = last.into_iter().flat_map(|run| {
        names.iter().enumerate().map(|(index, name)| Series {
            name: format!("{}: {name}", run.protection.name()),
            colour: 2 + index,
            dashed: false,
            points: over_time(run, |sample| 100.0 * sample.buckets[index]),
        })
    });
    series.collect()
}

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 30.0;

/// A round step that gives four to eight marks.
fn step(span: f64) -> f64 {
    let power = 10f64.powf((span / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| span / step <= 6.0).unwrap_or(10.0 * power)
}

/// Lowest and highest of all values, zero included, so that no curve looks larger than it is.
fn bounds(series: &[Series], unit: &str) -> ([f64; 2], [f64; 2]) {
    let points = || series.iter().flat_map(|one| one.points.iter());
    let fold = |start: [f64; 2], values: &mut dyn Iterator<Item = f64>| {
        values.fold(start, |[low, high], value| [low.min(value), high.max(value)])
    };
    let x = fold([0.0, 0.0], &mut points().map(|point| point.0));
    let highest = if unit == "%" { 100.0 } else { 1.0 };
    let y = fold([0.0, highest], &mut points().map(|point| point.1));
    (if x[0] < x[1] { x } else { [0.0, 1.0] }, y)
}

fn chart(title: &str, unit: &str, series: &[Series]) -> String {
    if series.is_empty() {
        return format!(
            "<figure><figcaption>{title}</figcaption><p>Without a guard there is none.</p></figure>\n"
        );
    }
    let (x, y) = bounds(series, unit);
    let across = |value: f64| LEFT + (value - x[0]) / (x[1] - x[0]) * (WIDTH - LEFT - RIGHT);
    let down = |value: f64| TOP + (y[1] - value) / (y[1] - y[0]) * (HEIGHT - TOP - BOTTOM);
    let mut text = format!(
        "<figure><figcaption>{title}</figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n"
    );
    text += &grid(x, y, &across, &down);
    for one in series {
        let points: Vec<String> = one
            .points
            .iter()
            .map(|(at, value)| format!("{:.1},{:.1}", across(*at), down(*value)))
            .collect();
        let dashes = if one.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = writeln!(
            text,
            "<polyline fill=\"none\" stroke=\"var(--c{})\" stroke-width=\"1.8\"{dashes} \
             points=\"{}\"><title>{}</title></polyline>",
            one.colour,
            points.join(" "),
            one.name
        );
    }
    text += "</svg>\n<div class=\"key\">";
    for one in series {
        let class = if one.dashed { " class=\"dashed\"" } else { "" };
        let _ = write!(
            text,
            "<span><i{class} style=\"border-color: var(--c{})\"></i>{}</span>",
            one.colour, one.name
        );
    }
    text + "</div></figure>\n"
}

/// Marks of both axes, and a line where the attack begins.
fn grid(
    x: [f64; 2],
    y: [f64; 2],
    across: &dyn Fn(f64) -> f64,
    down: &dyn Fn(f64) -> f64,
) -> String {
    let mut text = String::new();
    let marks = |[low, high]: [f64; 2]| {
        let step = step(high - low);
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        (first..=last).map(move |index| index as f64 * step)
    };
    for value in marks(y) {
        let at = down(value);
        let _ = writeln!(
            text,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"var(--line)\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for value in marks(x) {
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{} d</text>",
            across(value),
            HEIGHT - 10.0,
            (value * 100.0).round() / 100.0
        );
    }
    let _ = writeln!(
        text,
        "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1:.1}\" stroke=\"var(--soft)\" \
         stroke-dasharray=\"2 3\"/><text x=\"{2:.1}\" y=\"{3:.1}\">attack</text>",
        across(0.0),
        HEIGHT - BOTTOM,
        across(0.0) + 4.0,
        TOP + 10.0
    );
    text
}
