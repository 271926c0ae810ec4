//! `havre dialplan graph`: the compiled graph as one self-contained SVG.
//!
//! First [`boxes`] says what is to be seen, then [`layout`] places it in columns, and here it is written down.

mod boxes;
mod layout;

use std::fmt::Write as _;

use crate::Dialplan;
use layout::{Arrow, BADGE, HEAD, MARGIN, PAD, Picture, Placed, ROW};

const STYLE: &str = "\
text{font:13px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1d2733}\
.title{font-weight:600;font-size:14px;fill:#fff}.note{fill:#5a6875}.key{font-weight:600;text-anchor:middle}\
.box{fill:#fff;stroke:#8fa1b3}.head{fill:#33536f}.person{fill:#23684a}.off{fill:#7b8794}\
.badge{fill:#e4ecf3;stroke:#8fa1b3}.edge{fill:none;stroke:#5d7890;stroke-width:1.5}.edge.off{stroke-dasharray:5 4;fill:none}\
.label{font-size:12px;fill:#3d5166;paint-order:stroke;stroke:#f6f8fa;stroke-width:4px}";

impl Dialplan {
    /// The graph as an SVG image: lines, menus with every key, waiting, widening, and the people at the end. It needs
    /// nothing from elsewhere, and says what it shows to those who cannot see it.
    #[must_use]
    pub fn graph_svg(&self) -> String {
        let picture = layout::place(boxes::boxes(self));
        let (width, height) = (picture.width, picture.height);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-labelledby=\"title desc\">\n"
        );
        let _ = writeln!(svg, "<title id=\"title\">Dialplan {}</title>", &self.hash()[..12]);
        let _ = writeln!(svg, "<desc id=\"desc\">{}</desc>", escape(&describe(&picture)));
        let _ = writeln!(svg, "<style>{STYLE}</style>");
        svg.push_str(
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#5d7890\"/></marker></defs>\n",
        );
        let _ = writeln!(svg, "<rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#f6f8fa\"/>");
        for arrow in &picture.arrows {
            write_arrow(&mut svg, arrow);
        }
        for placed in &picture.boxes {
            write_box(&mut svg, placed);
        }
        for arrow in picture.arrows.iter().filter(|arrow| !arrow.label.is_empty()) {
            let (x, y) = arrow.label_at;
            let text = escape(arrow.label);
            let _ = writeln!(
                svg,
                "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{text}</text>"
            );
        }
        let foot = format!("{}. {}", self.proof(), "Made by havre dialplan graph").replace('\n', "; ");
        let (x, y) = (MARGIN, height - MARGIN / 2.0);
        let _ =
            writeln!(svg, "<text class=\"note\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n</svg>", escape(&foot));
        svg
    }
}

fn write_arrow(svg: &mut String, arrow: &Arrow) {
    let class = if arrow.dashed { "edge off" } else { "edge" };
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{}\" marker-end=\"url(#tip)\"/>", arrow.path);
}

fn write_box(svg: &mut String, placed: &Placed) {
    let Placed { content, x, y, width, height } = placed;
    let head = content.look.class();
    let _ = writeln!(
        svg,
        "<g><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"7\"/>"
    );
    let (right, bottom) = (x + width, y + HEAD);
    let _ = writeln!(
        svg,
        "<path class=\"{head}\" d=\"M{x:.1} {bottom:.1}v-{0:.1}a7 7 0 0 1 7-7H{1:.1}a7 7 0 0 1 7 7v{0:.1}z\"/>",
        HEAD - 7.0,
        right - 7.0,
    );
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        x + PAD,
        y + 20.0,
        escape(&content.title)
    );
    for (i, row) in content.rows.iter().enumerate() {
        let middle = y + HEAD + (i as f64 + 0.5) * ROW + PAD / 2.0;
        let mut text_x = x + PAD;
        if let Some(badge) = &row.badge {
            let _ = writeln!(
                svg,
                "<rect class=\"badge\" x=\"{:.1}\" y=\"{:.1}\" width=\"{BADGE:.1}\" height=\"18\" rx=\"5\"/>\
                 <text class=\"key\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                text_x,
                middle - 9.0,
                text_x + BADGE / 2.0,
                middle + 4.5,
                escape(badge),
            );
            text_x += BADGE + 8.0;
        }
        let class = if row.note { " class=\"note\"" } else { "" };
        let _ = writeln!(
            svg,
            "<text{class} x=\"{text_x:.1}\" y=\"{:.1}\">{}</text>",
            middle + 4.5,
            escape(&row.text)
        );
    }
    svg.push_str("</g>\n");
}

/// The same in words.
fn describe(picture: &Picture) -> String {
    let mut words = String::new();
    for placed in &picture.boxes {
        let rows: Vec<_> = placed
            .content
            .rows
            .iter()
            .map(|row| match &row.badge {
                Some(badge) => format!("{badge}: {}", row.text),
                None => row.text.clone(),
            })
            .collect();
        let _ = write!(words, "{}: {}. ", placed.content.title, rows.join("; "));
    }
    words
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
