//! Plots of what was counted: lines that the server draws, with the same numbers as a table.

use tidegate_core::history::Span;

use crate::request::Asked;
use crate::text::moment;
use crate::view::{Block, Cell, Line, Plot, Rendered, Tab, Table};

/// The size of the drawing, which browsers stretch to the room that there is.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 120;
/// How the lines of a plot are drawn; the second one is dashed, so that they differ without their colours.
const CLASSES: [&str; 2] = ["first", "second"];

/// How long a plot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    Hour,
    Day,
}

impl Range {
    pub fn of(asked: &Asked) -> Self {
        if asked.query.text("span") == "day" { Self::Day } else { Self::Hour }
    }

    pub fn spans(self, asked: &Asked) -> Vec<Span> {
        match self {
            Self::Hour => asked.web.history.hour(),
            Self::Day => asked.web.history.day(),
        }
    }

    pub fn in_words(self) -> &'static str {
        match self {
            Self::Hour => "the last hour",
            Self::Day => "the last day",
        }
    }

    /// Links to the same page with the other range.
    pub fn tabs(self, path: &str) -> Block {
        let tab = |text, range, query: &str| Tab { text, address: format!("{path}{query}"), is_current: self == range };
        Block::Tabs(vec![tab("The last hour", Self::Hour, ""), tab("The last day", Self::Day, "?span=day")])
    }

    fn milliseconds(self) -> u64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 24 * 3_600_000,
        }
    }
}

/// A line: its name, and its value in a span, where there is one.
pub type Drawn<'a> = (&'static str, &'a dyn Fn(&Span) -> Option<u64>);

/// Draws lines. `shown`: how a value is written.
pub fn plot(
    (id, title): (&str, &str),
    (range, spans): (Range, &[Span]),
    lines: &[Drawn<'_>],
    shown: &dyn Fn(u64) -> String,
) -> Plot {
    let values: Vec<Vec<Option<u64>>> = lines.iter().map(|(_, of)| spans.iter().map(of).collect()).collect();
    let most = values.iter().flatten().flatten().copied().max().unwrap_or(0);
    let until = spans.last().map(|span| span.until).unwrap_or_default();
    let begin = until.saturating_sub(i64::try_from(range.milliseconds()).unwrap_or(i64::MAX));
    let x = |span: &Span| {
        let passed = u64::try_from(span.until.saturating_sub(begin)).unwrap_or(0);
        (passed * WIDTH / range.milliseconds()).min(WIDTH)
    };
    let y = |value: u64| HEIGHT - 2 - scaled(value, most);
    let word = |value: Option<u64>| value.map_or_else(|| "none".to_owned(), shown);
    let mut drawn = Vec::new();
    let mut about = Vec::new();
    for (((name, _), values), class) in lines.iter().zip(&values).zip(CLASSES) {
        let newest = word(values.last().copied().flatten());
        about.push(format!("{name}: {newest} at the end, at most {}", word(values.iter().flatten().copied().max())));
        let parts = spans.iter().zip(values).map(|(span, value)| value.map(|value| (x(span), y(value))));
        drawn.push(Line { name, class, newest, parts: joined(parts) });
    }
    let clock = |at: i64| moment(at).text.get(11..16).unwrap_or_default().to_owned();
    let caption = format!("{title}; times are in UTC");
    let mut table = Table::new(format!("{id}-table"), caption, &["Until"], "No minute has passed yet.");
    table.head.extend(lines.iter().map(|(name, _)| *name));
    for (at, span) in spans.iter().enumerate().rev() {
        let cells =
            values.iter().map(|values| Cell::Number(values.get(at).copied().flatten().map(shown).unwrap_or_default()));
        table.rows.push(std::iter::once(Cell::Time(moment(span.until))).chain(cells).collect());
    }
    Plot {
        id: id.to_owned(),
        title: title.to_owned(),
        about: if spans.is_empty() { "No minute has passed yet.".to_owned() } else { about.join("; ") },
        lines: drawn,
        most: shown(most),
        range: (!spans.is_empty()).then(|| (clock(begin), clock(until))),
        table: Rendered::blocks(&[Block::Table(table)]),
    }
}

fn scaled(value: u64, most: u64) -> u64 {
    let room = u128::from(HEIGHT - 4);
    u64::try_from(u128::from(value) * room / u128::from(most.max(1))).unwrap_or(0).min(HEIGHT - 4)
}

/// The points of lines; where there is no value, one line ends.
fn joined(points: impl Iterator<Item = Option<(u64, u64)>>) -> Vec<String> {
    let mut parts: Vec<Vec<(u64, u64)>> = vec![Vec::new()];
    for point in points {
        match (point, parts.last_mut()) {
            (Some(point), Some(part)) => part.push(point),
            (None, Some(part)) if !part.is_empty() => parts.push(Vec::new()),
            (_, _) => {}
        }
    }
    let text = |part: Vec<(u64, u64)>| {
        // A single point would not be seen.
        let end = if part.len() == 1 { part.first().map(|(x, y)| (x + 2, *y)) } else { None };
        part.into_iter().chain(end).map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
    };
    parts.into_iter().filter(|part| !part.is_empty()).map(text).collect()
}

/// A number a second.
pub fn per_second(count: u64, span: &Span) -> u64 {
    u64::try_from(u128::from(count) * 1000 / u128::from(span.length.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_in_the_drawing_and_end_where_there_is_no_value() {
        let span = |minute: i64, refused| Span { until: minute * 60_000, length: 60_000, refused, ..Span::default() };
        let spans = [span(60, 0), span(90, 8), span(110, 99), span(120, 4)];
        let of = |span: &Span| Some(span.refused).filter(|refused| *refused != 99);
        let plot = plot(("p", "Log-ins"), (Range::Hour, &spans), &[("refused", &of)], &|count| count.to_string());
        let line = plot.lines.first().unwrap();
        assert_eq!(line.parts, ["0,118 300,2", "600,60 602,60"]);
        assert_eq!((plot.about.as_str(), plot.most.as_str()), ("refused: 4 at the end, at most 8", "8"));
        assert_eq!(plot.range, Some(("01:00".to_owned(), "02:00".to_owned())));
        assert!(plot.table.html().contains("1970-01-01 01:30:00"), "{}", plot.table.html());
    }

    #[test]
    fn before_the_first_minute_there_is_nothing() {
        let of = |_: &Span| Some(1);
        let plot = plot(("p", "Log-ins"), (Range::Day, &[]), &[("refused", &of)], &|count| count.to_string());
        assert_eq!((plot.about.as_str(), plot.range), ("No minute has passed yet.", None));
        assert!(plot.lines.iter().all(|line| line.parts.is_empty()));
    }
}
