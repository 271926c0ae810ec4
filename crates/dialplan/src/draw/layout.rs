//! Columns from left to right, boxes in a column by where their arrows come from, arrows as curves between them.

use super::boxes::Content;

pub(super) const MARGIN: f64 = 28.0;
pub(super) const PAD: f64 = 12.0;
pub(super) const HEAD: f64 = 30.0;
pub(super) const ROW: f64 = 23.0;
pub(super) const BADGE: f64 = 32.0;
const COLUMN_GAP: f64 = 84.0;
const BOX_GAP: f64 = 34.0;
/// Room under the boxes for arrows that lead back, and for the last line.
const FOOT: f64 = 88.0;
/// How far an arrow that leads back swings out to the right, and its corners.
const BACK: f64 = 22.0;
const CORNER: f64 = 12.0;
/// Width of an average character of the 13 px font; generous, so that no text leaves its box.
const CHARACTER: f64 = 7.0;

pub(super) struct Picture {
    pub(super) boxes: Vec<Placed>,
    pub(super) arrows: Vec<Arrow>,
    pub(super) width: f64,
    pub(super) height: f64,
}

pub(super) struct Placed {
    pub(super) content: Content,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

pub(super) struct Arrow {
    pub(super) path: String,
    pub(super) dashed: bool,
    pub(super) label: &'static str,
    pub(super) label_at: (f64, f64),
}

impl Placed {
    fn new(content: Content) -> Self {
        let text = |text: &str, scale: f64| text.chars().count() as f64 * CHARACTER * scale;
        let rows = content.rows.iter().map(|row| {
            let badge = if row.badge.is_some() { BADGE + 8.0 } else { 0.0 };
            badge + text(&row.text, 1.0)
        });
        let widest = rows.fold(text(&content.title, 1.15), f64::max);
        let height = HEAD + content.rows.len() as f64 * ROW + PAD;
        Self { content, x: 0.0, y: 0.0, width: widest + 2.0 * PAD, height }
    }

    fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }

    fn row(&self, row: usize) -> f64 {
        self.y + HEAD + (row as f64 + 0.5) * ROW + PAD / 2.0
    }
}

pub(super) fn place(contents: Vec<Content>) -> Picture {
    let columns = contents.iter().map(|c| c.column + 1).max().unwrap_or(1);
    let mut boxes: Vec<Placed> = contents.into_iter().map(Placed::new).collect();
    let mut x = MARGIN;
    let mut tallest: f64 = 0.0;
    let mut stacks = Vec::new();
    for column in 0..columns {
        let mut stack: Vec<usize> = (0..boxes.len()).filter(|i| boxes[*i].content.column == column).collect();
        // Boxes stand in the order of what leads to them, so that arrows cross little.
        let from = |target: usize| {
            let sources =
                boxes.iter().filter(|b| b.content.column < column).filter(|b| leads_to(&b.content, target));
            let middles: Vec<f64> = sources.map(|b| b.y).collect();
            middles.iter().sum::<f64>() / middles.len().max(1) as f64
        };
        let mut keyed: Vec<(f64, usize)> = stack.iter().map(|i| (from(*i), *i)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        stack = keyed.into_iter().map(|(_, i)| i).collect();
        let mut y = 0.0;
        for i in &stack {
            boxes[*i].x = x;
            boxes[*i].y = y;
            y += boxes[*i].height + BOX_GAP;
        }
        tallest = tallest.max(y - BOX_GAP);
        let width = stack.iter().map(|i| boxes[*i].width).fold(0.0, f64::max);
        for i in &stack {
            boxes[*i].width = width;
        }
        x += width + COLUMN_GAP;
        stacks.push((stack, y - BOX_GAP));
    }
    for (stack, height) in &stacks {
        for i in stack {
            boxes[*i].y += MARGIN + (tallest - height) / 2.0;
        }
    }
    let height = tallest + 2.0 * MARGIN + FOOT;
    let arrows = arrows(&boxes, tallest + MARGIN);
    Picture { boxes, arrows, width: x - COLUMN_GAP + MARGIN + BACK, height }
}

fn leads_to(content: &Content, target: usize) -> bool {
    content.leads.iter().any(|lead| lead.0 == target)
        || content.rows.iter().any(|row| row.leads == Some(target))
}

fn arrows(boxes: &[Placed], bottom: f64) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for from in boxes {
        for (i, row) in from.content.rows.iter().enumerate() {
            if let Some(target) = row.leads {
                arrows.push(forward(from, from.row(i), &boxes[target], "", false));
            }
        }
        for (target, label, dashed) in &from.content.leads {
            let to = &boxes[*target];
            if to.content.column > from.content.column {
                arrows.push(forward(from, from.middle(), to, label, *dashed));
            } else {
                arrows.push(back(from, to, bottom, label));
            }
        }
    }
    arrows
}

/// From the right side of one box to the title of another.
fn forward(from: &Placed, y: f64, to: &Placed, label: &'static str, dashed: bool) -> Arrow {
    let (x1, x2, y2) = (from.x + from.width, to.x - 2.0, to.y + HEAD / 2.0);
    let bend = (x2 - x1) * 0.55;
    let path = format!("M{x1:.1} {y:.1}C{:.1} {y:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 + bend, x2 - bend);
    Arrow { path, dashed, label, label_at: ((x1 + x2) / 2.0, (y + y2) / 2.0 - 6.0) }
}

/// Round under all boxes, from the right side of one to the bottom of another.
fn back(from: &Placed, to: &Placed, bottom: f64, label: &'static str) -> Arrow {
    let (x1, y1) = (from.x + from.width, from.middle());
    let (x2, y2) = (to.x + to.width / 2.0, to.y + to.height + 2.0);
    let (out, low) = (x1 + BACK, bottom + 30.0);
    let path = format!(
        "M{x1:.1} {y1:.1}H{:.1}Q{out:.1} {y1:.1} {out:.1} {:.1}V{:.1}Q{out:.1} {low:.1} {:.1} {low:.1}H{:.1}Q{x2:.1} {low:.1} {x2:.1} {:.1}V{y2:.1}",
        out - CORNER,
        y1 + CORNER,
        low - CORNER,
        out - CORNER,
        x2 + CORNER,
        low - CORNER,
    );
    Arrow { path, dashed: false, label, label_at: ((x1 + x2) / 2.0, low - 6.0) }
}
