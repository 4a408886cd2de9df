//! The columns that fit a width.

/// The content of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The way of forwarding.
    Forwarding,
    /// The condition as a word.
    Condition,
    /// The condition as a letter.
    ConditionLetter,
    Weight,
    Active,
    Inactive,
    Connections,
    /// Packets of both directions.
    Packets,
    IncomingPackets,
    OutgoingPackets,
    /// Bytes of both directions.
    Bytes,
    IncomingBytes,
    OutgoingBytes,
    /// The graph of the last minute.
    Graph,
}

impl Content {
    /// The title, and the width in cells.
    const fn shape(self) -> (&'static str, usize) {
        match self {
            Self::Forwarding => ("Forward", 7),
            Self::Condition => ("State", 8),
            Self::ConditionLetter => ("S", 1),
            Self::Weight => ("Weight", 6),
            Self::Active => ("Active", 6),
            Self::Inactive => ("InAct", 5),
            Self::Connections => ("Conn/s", 6),
            Self::Packets => ("Pkt/s", 5),
            Self::IncomingPackets => ("InPkt/s", 7),
            Self::OutgoingPackets => ("OutPkt/s", 8),
            Self::Bytes => ("Byte/s", 6),
            Self::IncomingBytes => ("InByte/s", 8),
            Self::OutgoingBytes => ("OutByte/s", 9),
            Self::Graph => ("Last minute", FEWEST_GRAPH_CELLS),
        }
    }

    /// True if the cells of the column begin at the left.
    pub(super) const fn is_left(self) -> bool {
        matches!(self, Self::Forwarding | Self::Condition | Self::ConditionLetter | Self::Graph)
    }
}

/// A column at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) content: Content,
    pub(super) title: &'static str,
    pub(super) width: usize,
}

/// The columns of a table, behind the one with the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// The cells of the names.
    pub(super) names: usize,
    pub(super) others: Vec<Column>,
}

/// The fewest cells of a name: a mark and `10.0.0.1:80`.
const FEWEST_NAME_CELLS: usize = 12;
/// The cells that names get before less important columns: `TCP 255.255.255.255:65535`.
const NAME_CELLS: usize = 25;
/// The most cells of a name: more help nobody.
const MOST_NAME_CELLS: usize = 60;
const FEWEST_GRAPH_CELLS: usize = 15;
const MOST_GRAPH_CELLS: usize = 60;
/// Below this width, the condition has no column: the first cell of a row has its letter.
const NARROW: usize = 40;
/// From this width on, packets and bytes have a column for each direction.
const WIDE: usize = 124;

/// The columns of a narrow screen, the most important first.
const BY_IMPORTANCE: [Content; 8] = [
    Content::ConditionLetter,
    Content::Active,
    Content::Connections,
    Content::Bytes,
    Content::Weight,
    Content::Inactive,
    Content::Packets,
    Content::Graph,
];

/// The order of all columns on the screen.
const BY_PLACE: [Content; 14] = [
    Content::Forwarding,
    Content::ConditionLetter,
    Content::Condition,
    Content::Weight,
    Content::Active,
    Content::Inactive,
    Content::Connections,
    Content::Packets,
    Content::IncomingPackets,
    Content::OutgoingPackets,
    Content::Bytes,
    Content::IncomingBytes,
    Content::OutgoingBytes,
    Content::Graph,
];

/// The columns that a wide screen has in place of another one.
const fn wide(content: Content) -> &'static [Content] {
    match content {
        Content::ConditionLetter => &[Content::Condition, Content::Forwarding],
        Content::Packets => &[Content::IncomingPackets, Content::OutgoingPackets],
        Content::Bytes => &[Content::IncomingBytes, Content::OutgoingBytes],
        _ => &[],
    }
}

impl Columns {
    /// True if a column shows the condition.
    pub(super) fn have_condition(&self) -> bool {
        let is_condition =
            |it: &Column| matches!(it.content, Content::Condition | Content::ConditionLetter);
        self.others.iter().any(is_condition)
    }

    /// The columns that fit a width. Without counters there are no rates.
    pub(super) fn new(width: usize, has_counters: bool) -> Self {
        let is_rate = |content: &Content| {
            matches!(content, Content::Connections | Content::Packets | Content::Bytes)
        };
        let mut chosen: Vec<Content> = Vec::new();
        let mut rest = width;
        let is_narrow = width < NARROW;
        let candidates = BY_IMPORTANCE
            .into_iter()
            .filter(|it| has_counters || !is_rate(it))
            .filter(|it| !is_narrow || *it != Content::ConditionLetter);
        for content in candidates {
            let replacements = wide(content);
            let contents = match replacements {
                [_, ..] if width >= WIDE => replacements,
                _ => &[content],
            };
            let needed: usize = contents.iter().map(|content| content.shape().1 + 1).sum();
            let kept = if chosen.is_empty() { FEWEST_NAME_CELLS } else { NAME_CELLS };
            if rest >= needed + kept {
                rest -= needed;
                chosen.extend(contents);
            } else {
                break;
            }
        }
        // A word says more than a letter.
        let longer = Content::Condition.shape().1 - Content::ConditionLetter.shape().1;
        if let Some(letter) = chosen.iter_mut().find(|it| **it == Content::ConditionLetter) {
            if rest >= longer + NAME_CELLS {
                *letter = Content::Condition;
                rest -= longer;
            }
        }
        let mut others: Vec<Column> = BY_PLACE
            .into_iter()
            .filter(|content| chosen.contains(content))
            .map(|content| {
                let (title, width) = content.shape();
                Column { content, title, width }
            })
            .collect();
        if let Some(Column { content: Content::Graph, width, .. }) = others.last_mut() {
            // The graph and the names share the rest.
            let half = rest.saturating_sub(NAME_CELLS) * 2 / 3;
            let more = half.min(MOST_GRAPH_CELLS - *width);
            *width += more;
            rest -= more;
        }
        Self { names: rest.min(MOST_NAME_CELLS), others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(width: usize, has_counters: bool) -> String {
        let columns = Columns::new(width, has_counters);
        let all = columns.others.iter().map(|column| column.title).collect::<Vec<_>>();
        format!("{} {}", columns.names, all.join(" "))
    }

    #[test]
    fn narrower_screens_have_fewer_columns() {
        for (width, expected) in [
            (
                200,
                "59 Forward State Weight Active InAct Conn/s InPkt/s OutPkt/s InByte/s OutByte/s Last minute",
            ),
            (
                124,
                "26 Forward State Weight Active InAct Conn/s InPkt/s OutPkt/s InByte/s OutByte/s Last minute",
            ),
            (100, "29 State Weight Active InAct Conn/s Pkt/s Byte/s Last minute"),
            (80, "31 State Weight Active InAct Conn/s Pkt/s Byte/s"),
            (60, "30 S Weight Active Conn/s Byte/s"),
            (40, "31 S Active"),
            (20, "13 Active"),
            (5, "5 "),
        ] {
            assert_eq!(titles(width, true), expected, "{width}");
        }
        assert_eq!(titles(80, false), "29 State Weight Active InAct Last minute");
    }

    #[test]
    fn columns_fit_every_width() {
        for width in 0..300 {
            for has_counters in [true, false] {
                let Columns { names, others } = Columns::new(width, has_counters);
                let sum: usize = others.iter().map(|column| column.width + 1).sum();
                assert!(names + sum <= width, "{width}");
            }
        }
    }
}
