//! Arithmetic of address ranges. Knows nothing of DWARF.

use super::native::Row;
use std::ops::Range;

/// Ascending ranges that neither touch nor overlap, none of them empty.
pub type Ranges = Vec<Range<u64>>;

/// `ranges` in that form.
pub fn normal(mut ranges: Vec<Range<u64>>) -> Ranges {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_by_key(|range| range.start);
    let mut joined: Ranges = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// What is in both of two lists, each ascending and without overlaps.
pub fn intersect(a: &[Range<u64>], b: &[Range<u64>]) -> Ranges {
    let (mut i, mut j, mut both) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (start, end) = (x.start.max(y.start), x.end.min(y.end));
        if start < end {
            both.push(start..end);
        }
        if x.end <= y.end { i += 1 } else { j += 1 }
    }
    both
}

/// The parts of ascending `rows` in `ranges`.
pub fn clip(rows: &[Row], ranges: &[Range<u64>]) -> Vec<Row> {
    let mut parts = Vec::new();
    for range in ranges {
        let first = rows.partition_point(|row| row.range.end <= range.start);
        for row in rows[first..].iter().take_while(|row| row.range.start < range.end) {
            let (start, end) = (row.range.start.max(range.start), row.range.end.min(range.end));
            parts.push(Row { range: start..end, ..row.clone() });
        }
    }
    parts
}

/// Takes what is in `ranges` out of ascending `rows`.
pub fn remove(rows: &mut Vec<Row>, ranges: &[Range<u64>]) {
    replace(rows, ranges, Some(u64::MAX));
    rows.retain(|row| row.at != Some(u64::MAX));
}

/// Moves what of ascending `rows` is in `ranges` to position `at`.
pub fn replace(rows: &mut Vec<Row>, ranges: &[Range<u64>], at: Option<u64>) {
    let Some((first, last)) = ranges.first().zip(ranges.last()) else { return };
    let from = rows.partition_point(|row| row.range.end <= first.start);
    let to = rows.partition_point(|row| row.range.start < last.end);
    let mut parts = Vec::new();
    let mut inside = ranges.iter().peekable();
    for row in rows.drain(from..to.max(from)) {
        let mut start = row.range.start;
        while start < row.range.end {
            while inside.next_if(|range| range.end <= start).is_some() {}
            let (end, at) = match inside.peek() {
                Some(range) if range.start <= start => (range.end.min(row.range.end), at),
                Some(range) => (range.start.min(row.range.end), row.at),
                None => (row.range.end, row.at),
            };
            parts.push(Row { range: start..end, at, ..row.clone() });
            start = end;
        }
    }
    rows.splice(from..from, parts);
}

/// Gives rows without position that of the row before; the first, that of the
/// first that has one.
pub fn fill(rows: &mut [Row]) {
    let mut last = rows.iter().find_map(|row| row.at);
    for row in rows {
        last = row.at.or(last);
        row.at = last;
    }
}

/// The code before which, in the order of the wasm, there is as much that touches
/// memory as there is before it in the machine code: instructions of ascending
/// `rows` that are in that order, and what is for them, as `is_for` tells.
pub fn in_order(rows: &[Row], is_for: impl Fn(u64, u64) -> bool) -> Ranges {
    let mut found = Vec::new();
    let mut next: Option<(u64, u64)> = None;
    for row in rows.iter().rev() {
        let Some(at) = row.at else {
            next = None;
            continue;
        };
        next = match next {
            _ if row.in_order => Some((row.range.start, at)),
            Some((start, site)) if start == row.range.end && is_for(at, site) => {
                Some((row.range.start, site))
            }
            _ => None,
        };
        if next.is_some() {
            found.push(row.range.clone());
        }
    }
    normal(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_form() {
        assert_eq!(normal(vec![5..5, 7..9, 1..3, 3..4, 8..12]), [1..4, 7..12]);
    }

    #[test]
    fn intersection() {
        assert_eq!(intersect(&[1..5, 8..10], &[0..2, 4..9]), [1..2, 4..5, 8..9]);
        assert!(intersect(&[1..5, 6..7], &[]).is_empty());
    }

    #[test]
    fn rows() {
        let row = |range, at| Row { range, at, in_order: false };
        let mut rows = vec![row(0..4, Some(10)), row(4..8, Some(20)), row(8..9, None)];
        assert_eq!(
            clip(&rows, &[1..2, 3..5]),
            [row(1..2, Some(10)), row(3..4, Some(10)), row(4..5, Some(20))]
        );
        replace(&mut rows, &[2..3, 6..9], Some(7));
        let expected = [(0..2, 10), (2..3, 7), (3..4, 10), (4..6, 20), (6..8, 7), (8..9, 7)];
        assert_eq!(rows, expected.map(|(range, at)| row(range, Some(at))));
        let mut rows = vec![row(0..1, None), row(1..2, Some(3)), row(2..3, None)];
        fill(&mut rows);
        assert!(rows.iter().all(|row| row.at == Some(3)));
    }
}
