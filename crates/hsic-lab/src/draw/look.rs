//! Colors, dash patterns and marks: each series of a figure differs from the others in all three.

use crate::figure::plot::{Marks, Panel, Series, Style};

use super::canvas::Place;
use super::text::coordinate as n;

/// Colors of series, told apart without color vision (Okabe and Ito 2008; the eighth is Tol's wine): of lines on light
/// ground, of text on light ground (contrast >= 4.5), of both on dark ground.
const COLORS: [[&str; 3]; 8] = [
    ["#0072b2", "#0068a3", "#5ab4ec"],
    ["#d55e00", "#b04e00", "#ff8f4d"],
    ["#009e73", "#007a59", "#35cfa4"],
    ["#cc79a7", "#a64f80", "#e79cc5"],
    ["#e69f00", "#8f6200", "#f2c14e"],
    ["#56b4e9", "#1f78a8", "#9ad8ff"],
    ["#882255", "#882255", "#d977a8"],
    ["#333d47", "#333d47", "#d5dae0"],
];

/// Dash patterns in pixels.
const DASHES: [&str; 8] =
    ["", "7 3", "2.5 2.5", "9 3 2.5 3", "14 4", "5 2.5 1.5 2.5 1.5 2.5", "4.5 4.5", "14 3 2.5 3 2.5 3"];

/// Dash patterns of what is compared with: thin, all broken.
const THIN_DASHES: [&str; 5] = ["3 2.5", "6 3", "1.5 2.5", "8 3 1.5 3", "11 3"];

/// Looks that differ from each other in at least two of color, dash and mark.
const LOOKS: usize = 4 * COLORS.len();

/// Numbers of shades in a heat table.
pub(super) const SHADES: usize = 16;

/// Ends and middle of the shades: on light ground from light to dark, on dark ground from dark to bright.
const SHADE_STOPS: [[[u8; 3]; 3]; 2] =
    [[[238, 244, 250], [104, 165, 213], [8, 55, 107]], [[28, 38, 52], [38, 105, 158], [168, 219, 255]]];

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Index of the color; `None` for gray.
    color: Option<usize>,
    /// Dash pattern; empty for an unbroken line.
    pub(super) dash: &'static str,
    /// Shape of marks; `None` for none.
    pub(super) mark: Option<usize>,
    /// Whether marks are hollow.
    pub(super) open: bool,
    /// Thickness of the line in pixels.
    pub(super) thickness: f64,
}

impl Look {
    /// Name of a class for `s` lines, `f` areas or `t` text of this color.
    pub(super) fn class(&self, kind: char) -> String {
        self.color.map_or_else(|| format!("fig-{kind}n"), |color| format!("fig-{kind}{color}"))
    }

    /// Attributes of a line.
    pub(super) fn stroke(&self) -> String {
        let dash = if self.dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", self.dash) };
        format!(" stroke-width=\"{}\"{dash}", n(self.thickness))
    }

    /// Class of a mark.
    pub(super) fn mark_class(&self) -> String {
        let kind = if self.open { "s" } else { "f" };
        let color = self.color.map_or_else(|| "n".to_owned(), |color| color.to_string());
        format!("fig-{kind}{color} fig-{}", if self.open { "open" } else { "full" })
    }
}

/// Looks of each panel's series; a name that comes again in another panel looks the same there.
pub(super) fn looks(panels: &[Panel]) -> Vec<Vec<Look>> {
    let mut names: Vec<&str> = Vec::new();
    for series in panels.iter().flat_map(series_of).filter(|series| is_own(series.style)) {
        if !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    // A color for each name of the figure, or else from the first color on in each panel.
    let enough = names.len() <= COLORS.len();
    let mut known: Vec<(&str, usize)> = Vec::new();
    let mut all = Vec::with_capacity(panels.len());
    for series in panels.iter().map(series_of) {
        let mut taken: Vec<usize> = Vec::new();
        let mut numbers: Vec<Option<usize>> = vec![None; series.len()];
        for (number, series) in numbers.iter_mut().zip(series).filter(|(_, series)| is_own(series.style)) {
            let same = known.iter().find(|(name, _)| *name == series.name).map(|&(_, number)| number);
            *number = same.filter(|number| !taken.contains(number));
            taken.extend(*number);
        }
        for (number, series) in numbers.iter_mut().zip(series).filter(|(_, series)| is_own(series.style)) {
            if number.is_none() {
                let used =
                    |look: &usize| taken.contains(look) || (enough && known.iter().any(|known| known.1 == *look));
                let new = (0..LOOKS).find(|look| !used(look)).unwrap_or(taken.len() % LOOKS);
                known.push((&series.name, new));
                taken.push(new);
                *number = Some(new);
            }
        }
        all.push(panel_looks(series, &numbers));
    }
    all
}

/// Series of a panel; none of a table.
fn series_of(panel: &Panel) -> &[Series] {
    match &panel.marks {
        Marks::Series(series) => series,
        Marks::Heat(_) | Marks::Pictures(_) => &[],
    }
}

/// Whether a style has a color of its own.
fn is_own(style: Style) -> bool {
    matches!(style, Style::Line | Style::Curve | Style::Points | Style::Ridge)
}

/// Looks of the series of one panel, of which some have numbers.
fn panel_looks(series: &[Series], numbers: &[Option<usize>]) -> Vec<Look> {
    let (mut papers, mut guides) = (0, 0);
    let look = |(index, one): (usize, &Series)| match (one.style, numbers[index]) {
        (Style::Paper, _) => {
            papers += 1;
            let partner = partner(one, &series[..index]).and_then(|earlier| numbers[earlier]);
            Look {
                color: partner.map(|number| number % COLORS.len()),
                dash: THIN_DASHES[partner.map_or(papers, |_| 0) % THIN_DASHES.len()],
                mark: Some(partner.map_or(papers + 3, mark)),
                open: true,
                thickness: 1.1,
            }
        }
        (_, Some(number)) => Look {
            color: Some(number % COLORS.len()),
            dash: if one.style == Style::Ridge { "" } else { DASHES[(number + number / COLORS.len()) % DASHES.len()] },
            mark: matches!(one.style, Style::Line | Style::Points).then(|| mark(number)),
            open: false,
            thickness: if one.style == Style::Ridge { 1.3 } else { 1.8 },
        },
        _ => {
            guides += 1;
            let dash = if guides == 1 { "" } else { THIN_DASHES[(guides - 1) % THIN_DASHES.len()] };
            Look { color: None, dash, mark: None, open: false, thickness: 1.1 }
        }
    };
    series.iter().enumerate().map(look).collect()
}

/// Shape of the marks of a look.
fn mark(number: usize) -> usize {
    (number + 3 * (number / COLORS.len())) % MARKS
}

/// The earlier series that a series of the paper is compared with: `HSIC` or `HSIC (ours)` for `HSIC (paper)`.
fn partner(paper: &Series, earlier: &[Series]) -> Option<usize> {
    let own = |style| matches!(style, Style::Line | Style::Curve);
    let is = |series: &Series, stem: &str| {
        stems(&series.name).any(|(other, rest)| other == stem && (rest.is_empty() || rest.contains("ours")))
    };
    stems(&paper.name).find_map(|(stem, _)| earlier.iter().rposition(|series| own(series.style) && is(series, stem)))
}

/// A name, and the same without what stands behind, in parentheses, after the last comma, or the last word of `paper`
/// and `ours`; each with what was left out.
fn stems(name: &str) -> impl Iterator<Item = (&str, &str)> {
    let name = name.trim();
    let parenthesis = name.strip_suffix(')').and_then(|rest| rest.rfind('('));
    let word = ["paper", "ours"].iter().find_map(|word| name.strip_suffix(word)).map(str::len);
    let ends = [Some(name.len()), parenthesis, word, name.rfind(',')];
    let stem = move |end: usize| name[..end].trim_end_matches([' ', ',', ':', '-']);
    let stems = ends.into_iter().flatten().map(stem).filter(|stem| !stem.is_empty());
    stems.map(move |stem| (stem, &name[stem.len()..]))
}

/// How many shapes of marks there are.
const MARKS: usize = 8;

/// Drawing commands of a mark.
pub(super) fn mark_path(shape: usize, (x, y): Place) -> String {
    if shape.is_multiple_of(MARKS) {
        let r = 3.2;
        let (r, left) = (n(r), n(x - r));
        let diameter = n(6.4);
        return format!("M{left} {}a{r} {r} 0 1 0 {diameter} 0a{r} {r} 0 1 0 -{diameter} 0z", n(y));
    }
    let corners: &[Place] = match shape % MARKS {
        1 => &[(-2.9, -2.9), (2.9, -2.9), (2.9, 2.9), (-2.9, 2.9)],
        2 => &[(0.0, -4.0), (3.8, 2.8), (-3.8, 2.8)],
        3 => &[(0.0, -4.2), (4.2, 0.0), (0.0, 4.2), (-4.2, 0.0)],
        4 => &[(0.0, 4.0), (3.8, -2.8), (-3.8, -2.8)],
        5 => &PLUS,
        6 => &CROSS,
        _ => &[(-3.8, 0.0), (-1.9, -3.4), (1.9, -3.4), (3.8, 0.0), (1.9, 3.4), (-1.9, 3.4)],
    };
    let mut path = String::new();
    for (index, (dx, dy)) in corners.iter().enumerate() {
        path.push_str(&format!("{}{} {}", if index == 0 { "M" } else { "L" }, n(x + dx), n(y + dy)));
    }
    path + "z"
}

/// A plus sign with thick bars.
const PLUS: [Place; 12] = [
    (-1.4, -4.2),
    (1.4, -4.2),
    (1.4, -1.4),
    (4.2, -1.4),
    (4.2, 1.4),
    (1.4, 1.4),
    (1.4, 4.2),
    (-1.4, 4.2),
    (-1.4, 1.4),
    (-4.2, 1.4),
    (-4.2, -1.4),
    (-1.4, -1.4),
];

/// The same, turned by an eighth.
const CROSS: [Place; 12] = [
    (-4.0, -2.0),
    (-2.0, -4.0),
    (0.0, -2.0),
    (2.0, -4.0),
    (4.0, -2.0),
    (2.0, 0.0),
    (4.0, 2.0),
    (2.0, 4.0),
    (0.0, 2.0),
    (-2.0, 4.0),
    (-4.0, 2.0),
    (-2.0, 0.0),
];

/// The style sheet: light first, dark where the reader's system or the page around says so. Names begin with `fig-`, so
/// that a page's own are not met.
pub(super) fn style_sheet(shades: bool) -> String {
    let mut sheet = String::from(
        ".fig-picture{max-width:100%;height:auto}\n\
         .fig-text{font-family:\"Noto Sans\",Ubuntu,system-ui,sans-serif}\n\
         .fig-bold{font-weight:700}\n",
    );
    let (light, dark) = (rules(0, shades), rules(1, shades));
    let prefixed = |prefix: &str, rules: &[String]| -> String {
        rules.iter().map(|rule| format!("{prefix}{rule}\n")).collect::<String>()
    };
    sheet.push_str(&prefixed("", &light));
    sheet.push_str(&format!("@media (prefers-color-scheme:dark){{\n{}}}\n", prefixed("", &dark)));
    sheet.push_str(&prefixed("[data-theme=\"light\"] ", &light));
    sheet.push_str(&prefixed("[data-theme=\"dark\"] ", &dark));
    sheet
}

/// Rules of a theme: 0 light, 1 dark.
fn rules(theme: usize, shades: bool) -> Vec<String> {
    let pick = |values: [&'static str; 2]| values[theme];
    let background = pick(["#ffffff", "#14181f"]);
    let gray = pick(["#6b7480", "#99a3af"]);
    let mut rules = vec![
        format!(".fig-bg{{fill:{background}}}"),
        format!(".fig-ink{{fill:{}}}", pick(["#1b232d", "#e8ebef"])),
        format!(".fig-soft{{fill:{}}}", pick(["#505b68", "#aab3be"])),
        format!(".fig-axis{{stroke:{};fill:none}}", pick(["#8b95a1", "#6a7480"])),
        format!(".fig-grid{{stroke:{};fill:none}}", pick(["#dfe4e9", "#2c343e"])),
        format!(".fig-minor{{stroke:{};fill:none}}", pick(["#f0f2f5", "#1f252d"])),
        format!(".fig-sn{{stroke:{gray};fill:none}}"),
        format!(".fig-fn{{fill:{gray}}}"),
        format!(".fig-tn{{fill:{}}}", pick(["#5a6470", "#99a3af"])),
    ];
    for (index, [line, text, bright]) in COLORS.into_iter().enumerate() {
        rules.push(format!(".fig-s{index}{{stroke:{};fill:none}}", pick([line, bright])));
        rules.push(format!(".fig-f{index}{{fill:{}}}", pick([line, bright])));
        rules.push(format!(".fig-t{index}{{fill:{}}}", pick([text, bright])));
    }
    // Behind the colors, because a hollow mark's filling comes before its color's.
    rules.push(format!(".fig-open{{fill:{background}}}"));
    rules.push(format!(".fig-full{{stroke:{background}}}"));
    if shades {
        for shade in 0..SHADES {
            let color = shade_color(theme, shade);
            let ink = if brightness(color) > 0.179 { "#000000" } else { "#ffffff" };
            rules.push(format!(".fig-h{shade}{{fill:#{:02x}{:02x}{:02x}}}", color[0], color[1], color[2]));
            rules.push(format!(".fig-i{shade}{{fill:{ink}}}"));
        }
    }
    rules
}

/// Color of a shade: between the stops of its theme.
fn shade_color(theme: usize, shade: usize) -> [u8; 3] {
    let [low, middle, high] = SHADE_STOPS[theme];
    let share = 2.0 * shade as f64 / (SHADES - 1) as f64;
    let (from, to, share) = if share < 1.0 { (low, middle, share) } else { (middle, high, share - 1.0) };
    std::array::from_fn(|i| (f64::from(from[i]) + share * (f64::from(to[i]) - f64::from(from[i]))).round() as u8)
}

/// Relative luminance (WCAG 2.2); black and white text contrast alike at 0.179.
fn brightness(color: [u8; 3]) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(color[0]) + 0.7152 * linear(color[1]) + 0.0722 * linear(color[2])
}

#[cfg(test)]
mod tests {
    use crate::figure::plot::Axis;

    use super::*;

    /// Panels of series with these names.
    fn panels(names: &[&[(&str, Style)]]) -> Vec<Panel> {
        let series = |&(name, style): &(&str, Style)| Series::plain(name, style, [(0.0, 1.0)]);
        let panel = |names: &&[(&str, Style)]| Panel {
            title: String::new(),
            x: Axis::linear("x"),
            y: Axis::linear("y"),
            marks: Marks::Series(names.iter().map(series).collect()),
        };
        names.iter().map(panel).collect()
    }

    #[test]
    fn eight_series_differ_in_color_dash_and_mark_and_thirty_two_in_two_of_them() {
        let names: Vec<String> = (0..32).map(|i| format!("s{i}")).collect();
        let names: Vec<(&str, Style)> = names.iter().map(|name| (name.as_str(), Style::Line)).collect();
        let looks = looks(&panels(&[&names])).remove(0);
        for (i, a) in looks.iter().enumerate() {
            for (j, b) in looks.iter().enumerate().take(i) {
                let differ = [a.color != b.color, a.dash != b.dash, a.mark != b.mark];
                let count = differ.iter().filter(|&&differs| differs).count();
                assert!(count >= if i < 8 { 3 } else { 2 }, "{i} and {j}: {differ:?}");
            }
        }
    }

    #[test]
    fn a_name_looks_the_same_in_every_panel() {
        let (a, b, c) = (("a", Style::Line), ("b", Style::Line), ("c", Style::Line));
        let looks = looks(&panels(&[&[a, b], &[c, b]]));
        assert_eq!(looks[0][1], looks[1][1]);
        assert_ne!(looks[0][0].color, looks[1][0].color);
    }

    #[test]
    fn the_papers_series_has_the_color_of_its_partner() {
        let names = [
            ("HSIC (ours)", Style::Line),
            ("BP", Style::Line),
            ("HSIC (paper)", Style::Paper),
            ("BP, paper", Style::Paper),
            ("PCA (paper)", Style::Paper),
            ("HSIC, 5 layers", Style::Line),
            ("HSIC, 50 layers", Style::Paper),
            ("HSIC, 5 layers, paper", Style::Paper),
        ];
        let looks = looks(&panels(&[&names])).remove(0);
        let colors: Vec<_> = looks.iter().map(|look| (look.color, look.open)).collect();
        let (ours, paper) = (|color| (Some(color), false), |color| (Some(color), true));
        let expected = [ours(0), ours(1), paper(0), paper(1), (None, true), ours(2), paper(0), paper(2)];
        assert_eq!(colors, expected, "50 layers are compared with HSIC as a whole, not with 5 layers");
        assert_eq!(looks[2].mark, looks[0].mark);
    }

    /// Contrast of two colors (WCAG 2.2), from 1 to 21.
    fn contrast(a: &str, b: &str) -> f64 {
        let channel = |color: &str, i: usize| u8::from_str_radix(&color[2 * i + 1..2 * i + 3], 16).unwrap();
        let [a, b] = [a, b].map(|color| brightness(std::array::from_fn(|i| channel(color, i))) + 0.05);
        a.max(b) / a.min(b)
    }

    /// A color in the rules of a theme.
    fn fill(theme: usize, class: &str) -> String {
        let start = format!(".{class}{{fill:");
        let rules = rules(theme, true);
        let rule = rules.iter().find_map(|rule| rule.strip_prefix(&start)).unwrap();
        rule.trim_end_matches('}').to_owned()
    }

    #[test]
    fn every_text_stands_out_from_its_ground_in_both_themes() {
        for theme in [0, 1] {
            let ground = fill(theme, "fig-bg");
            let classes = (0..COLORS.len()).map(|i| format!("fig-t{i}"));
            for class in classes.chain(["fig-tn", "fig-ink", "fig-soft"].map(str::to_owned)) {
                let contrast = contrast(&fill(theme, &class), &ground);
                assert!(contrast >= 4.5, "{class} of theme {theme}: {contrast}");
            }
            for shade in 0..SHADES {
                let [ink, cell] = ["i", "h"].map(|kind| fill(theme, &format!("fig-{kind}{shade}")));
                assert!(contrast(&ink, &cell) >= 4.5, "shade {shade} of theme {theme}");
            }
        }
    }

    #[test]
    fn shades_go_from_light_to_dark_on_light_ground_and_back_on_dark() {
        let of = |theme| -> Vec<f64> { (0..SHADES).map(|shade| brightness(shade_color(theme, shade))).collect() };
        assert!(of(0).windows(2).all(|pair| pair[0] > pair[1]));
        assert!(of(1).windows(2).all(|pair| pair[0] < pair[1]));
    }
}
