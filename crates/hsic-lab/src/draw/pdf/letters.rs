//! Text on a page as text (ISO 32000-1, clause 9): lines of glyphs in fonts that the file carries, of each only the glyphs that
//! are used, with what every glyph reads as, so that text can be searched and copied.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use resvg::tiny_skia::Transform;
use resvg::usvg::Tree;
use resvg::usvg::fontdb::ID;
use resvg::usvg::layout::PositionedGlyph;
use subsetter::{GlyphRemapper, subset};

use super::super::error::DrawError;
use super::syntax::{number, numbers, stream};

/// Objects of the file that stand for one font.
pub(super) const OBJECTS: usize = 5;

/// A font, and what of it is used.
struct Used {
    id: ID,
    /// Numbers of glyphs in the font of the file, in the order in which they came.
    glyphs: GlyphRemapper,
    /// What glyphs read as, by their numbers in the file.
    reads: BTreeMap<u16, String>,
    face: Face,
}

/// Sizes of a font, from its tables (OpenType 1.9), in units of which an em has `em`.
struct Face {
    name: String,
    weight: u16,
    em: f32,
    /// `xMin`, `yMin`, `xMax`, `yMax` of all glyphs.
    bounds: [i16; 4],
    ascent: i16,
    descent: i16,
    capitals: i16,
    /// Advance widths; glyphs beyond the last have that of the last.
    advances: Vec<u16>,
}

/// The fonts of a page.
pub(super) struct Letters<'t> {
    tree: &'t Tree,
    used: Vec<Used>,
}

impl Face {
    /// Reads the tables that a page needs. `None` for data that are no font of outlines in `glyf`, or cut off.
    fn read(data: &[u8], name: String, weight: u16) -> Option<Self> {
        let pair = |data: &[u8], at: usize| Some(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?));
        let four = |at: usize| Some(u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?) as usize);
        let table = |tag: &[u8; 4]| {
            let mut records = (0..usize::from(pair(data, 4)?)).map(|index| 12 + 16 * index);
            let record = records.find(|&at| data.get(at..at + 4) == Some(tag.as_slice()))?;
            data.get(four(record + 8)?..)?.get(..four(record + 12)?)
        };
        let (head, hhea, hmtx, os2) = (table(b"head")?, table(b"hhea")?, table(b"hmtx")?, table(b"OS/2")?);
        let signed = |table: &[u8], at: usize| pair(table, at).map(|value| value as i16);
        let advances = (0..usize::from(pair(hhea, 34)?)).map(|index| pair(hmtx, 4 * index));
        Some(Self {
            name,
            weight,
            em: f32::from(pair(head, 18).filter(|&em| em > 0)?),
            bounds: [signed(head, 36)?, signed(head, 38)?, signed(head, 40)?, signed(head, 42)?],
            ascent: signed(hhea, 4)?,
            descent: signed(hhea, 6)?,
            capitals: signed(os2, 88)?,
            advances: advances.collect::<Option<Vec<u16>>>().filter(|all| !all.is_empty())?,
        })
    }

    /// Thousandths of an em, in which PDF counts.
    fn thousandths(&self, units: f32) -> f32 {
        1000.0 * units / self.em
    }

    /// The advance width of a glyph in thousandths of an em.
    fn advance(&self, glyph: u16) -> f32 {
        let index = usize::from(glyph).min(self.advances.len() - 1);
        self.thousandths(f32::from(self.advances[index]))
    }
}

fn unreadable(name: &str) -> DrawError {
    DrawError::Pdf { found: format!("a font {name} that cannot be read") }
}

impl<'t> Letters<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        Self { tree, used: Vec::new() }
    }

    /// The font of a glyph by its number on the page.
    fn font(&mut self, id: ID) -> Result<usize, DrawError> {
        if let Some(index) = self.used.iter().position(|used| used.id == id) {
            return Ok(index);
        }
        let fonts = self.tree.fontdb();
        let (name, weight) =
            fonts.face(id).map(|face| (face.post_script_name.clone(), face.weight.0)).unwrap_or_default();
        let face = fonts.with_face_data(id, |data, _| Face::read(data, name.clone(), weight)).flatten();
        let face = face.ok_or_else(|| unreadable(&name))?;
        self.used.push(Used { id, glyphs: GlyphRemapper::new(), reads: BTreeMap::new(), face });
        Ok(self.used.len() - 1)
    }

    /// Operators that show glyphs, each at its place: one line as long as they follow each other.
    ///
    /// # Errors
    /// A font is none that can be part of a page.
    pub(super) fn shown(&mut self, glyphs: &[PositionedGlyph]) -> Result<String, DrawError> {
        let mut text = String::new();
        // The line's font, how its letters lie, and where it has come to, in thousandths of the font's size.
        let mut line: Option<(usize, Transform, f32)> = None;
        for glyph in glyphs {
            let index = self.font(glyph.font)?;
            let Used { glyphs: numbered, reads, face, .. } = &mut self.used[index];
            let id = u16::try_from(glyph.id.0).map_err(|_| unreadable(&face.name))?;
            let number_there = numbered.remap(id);
            reads.entry(number_there).or_insert_with(|| glyph.text.clone());
            // From units of the font, above which y counts, to shares of its size.
            let units = face.em / glyph.font_size();
            let at = glyph.outline_transform().pre_concat(Transform::from_scale(units, units));
            let follows =
                line.filter(|&(font, first, _)| font == index && same_slope(first, at)).and_then(|(_, first, end)| {
                    let there = displacement(first, at)?;
                    let [across, up] = there.map(|part| 1000.0 * part / glyph.font_size());
                    (up.abs() < 0.5).then_some((first, across, end))
                });
            match follows {
                Some((first, across, end)) => {
                    let gap = (end - across).round();
                    if gap != 0.0 {
                        let _ = write!(text, "> {gap} <");
                    }
                    line = Some((index, first, end - gap + face.advance(id)));
                }
                None => {
                    if line.is_some() {
                        text.push_str(">] TJ\n");
                    }
                    let size = number(f64::from(glyph.font_size()));
                    let matrix = numbers(&[at.sx, at.ky, at.kx, at.sy, at.tx, at.ty]);
                    let _ = write!(text, "/F{index} {size} Tf {matrix} Tm [<");
                    line = Some((index, at, face.advance(id)));
                }
            }
            let _ = write!(text, "{number_there:04x}");
        }
        if line.is_some() {
            text.push_str(">] TJ\n");
        }
        Ok(text)
    }

    /// The page's names of its fonts, whose objects begin at `first`.
    pub(super) fn names(&self, first: usize) -> String {
        (0..self.used.len()).map(|index| format!("/F{index} {} 0 R ", first + OBJECTS * index)).collect()
    }

    /// The objects of all fonts, the first of which has the number `first` in the file.
    ///
    /// # Errors
    /// A font has no part that could be taken, or cannot be packed.
    pub(super) fn objects(&self, first: usize) -> Result<Vec<Vec<u8>>, DrawError> {
        let mut objects = Vec::new();
        for used in &self.used {
            objects.extend(used.objects(self.tree, first + objects.len())?);
        }
        Ok(objects)
    }
}

/// Whether letters are as large and lie at the same slope.
fn same_slope(a: Transform, b: Transform) -> bool {
    [(a.sx, b.sx), (a.ky, b.ky), (a.kx, b.kx), (a.sy, b.sy)].iter().all(|(a, b)| (a - b).abs() < 1e-4)
}

/// How far it is from one place to another, along the letters' line and upwards from it. `None` for letters without size.
fn displacement(from: Transform, to: Transform) -> Option<[f32; 2]> {
    let back = from.invert()?;
    let (x, y) = (to.tx, to.ty);
    Some([back.sx * x + back.kx * y + back.tx, back.ky * x + back.sy * y + back.ty])
}

impl Used {
    /// The font as it is named and measured, what describes it, the glyphs themselves and what they read as.
    fn objects(&self, tree: &Tree, first: usize) -> Result<[Vec<u8>; OBJECTS], DrawError> {
        let face = &self.face;
        let part = tree.fontdb().with_face_data(self.id, |data, index| subset(data, index, &self.glyphs));
        let part = part.and_then(Result::ok).ok_or_else(|| unreadable(&face.name))?;
        let name = format!("{}+{}", self.tag(), face.name);
        let [below, described, program, read] = [1, 2, 3, 4].map(|behind| first + behind);
        let font = format!(
            "<< /Type /Font /Subtype /Type0 /BaseFont /{name} /Encoding /Identity-H /DescendantFonts [{below} 0 R] \
             /ToUnicode {read} 0 R >>"
        );
        let widths: Vec<f32> = self.glyphs.remapped_gids().map(|glyph| face.advance(glyph)).collect();
        let measured = format!(
            "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{name} /CIDSystemInfo << /Registry (Adobe) /Ordering \
             (Identity) /Supplement 0 >> /FontDescriptor {described} 0 R /CIDToGIDMap /Identity /W [0 [{}]] >>",
            numbers(&widths)
        );
        let sizes =
            |units: &[i16]| numbers(&units.iter().map(|&one| face.thousandths(f32::from(one))).collect::<Vec<_>>());
        // No table tells the width of stems, which programs read only where they have to do without the glyphs.
        let stem = 50 + u32::from(face.weight) / 10;
        let descriptor = format!(
            "<< /Type /FontDescriptor /FontName /{name} /Flags 4 /FontBBox [{}] /ItalicAngle 0 /Ascent {} /Descent {} \
             /CapHeight {} /StemV {stem} /FontFile2 {program} 0 R >>",
            sizes(&face.bounds),
            sizes(&[face.ascent]),
            sizes(&[face.descent]),
            sizes(&[face.capitals])
        );
        let length = format!(" /Length1 {}", part.len());
        Ok([
            font.into_bytes(),
            measured.into_bytes(),
            descriptor.into_bytes(),
            stream(&part, &length)?,
            stream(self.readings().as_bytes(), "")?,
        ])
    }

    /// Six capitals that tell this part of the font from others (clause 9.6.4): the FNV hash of its glyphs.
    fn tag(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for glyph in self.glyphs.remapped_gids() {
            hash = (hash ^ u64::from(glyph)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        (0..6).map(|place| char::from(b'A' + (hash / 26_u64.pow(place) % 26) as u8)).collect()
    }

    /// What the glyphs read as, in UTF-16 (clause 9.10.3), at most 100 of them in a block.
    fn readings(&self) -> String {
        let mut text =
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) \
                        /Ordering (UCS) /Supplement 0 >> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n\
                        1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
                .to_owned();
        let all: Vec<(&u16, &String)> = self.reads.iter().filter(|(_, reads)| !reads.is_empty()).collect();
        for block in all.chunks(100) {
            let _ = writeln!(text, "{} beginbfchar", block.len());
            for (glyph, reads) in block {
                let units: String = reads.encode_utf16().map(|unit| format!("{unit:04x}")).collect();
                let _ = writeln!(text, "<{glyph:04x}> <{units}>");
            }
            text.push_str("endbfchar\n");
        }
        text.push_str("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n");
        text
    }
}
