//! Python literals, as far as headers of `.npy` files have them: text, whole numbers, `True`, `False`, `None`, lists, tuples
//! and one dictionary around them.
//!
//! A header is untrusted. Nesting is bounded, so that no stack overflows, and what is built is no larger than the text.

use std::str::Chars;

/// How deep lists may lie in each other; a record of records has two for each.
const DEEPEST: usize = 16;

/// A value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Whole(usize),
    Flag(bool),
    Nothing,
    /// A list or a tuple.
    List(Vec<Literal>),
}

/// The keys of a dictionary, each with the text of its value; `None` if the text is no dictionary of literals.
pub(super) fn dictionary(text: &str) -> Option<Vec<(String, &str)>> {
    let text = text.trim();
    let mut parser = Parser { text, rest: text.chars() };
    parser.take('{')?;
    let mut entries = Vec::new();
    loop {
        if parser.take('}').is_some() {
            break;
        }
        let Literal::Text(key) = parser.value(0)? else { return None };
        parser.take(':')?;
        parser.space();
        let start = parser.place();
        parser.value(0)?;
        entries.push((key, text[start..parser.place()].trim_end()));
        if parser.take(',').is_none() {
            parser.take('}')?;
            break;
        }
    }
    parser.space();
    parser.rest.as_str().is_empty().then_some(entries)
}

/// The literal that a text is.
pub(super) fn parse(text: &str) -> Option<Literal> {
    let text = text.trim();
    let mut parser = Parser { text, rest: text.chars() };
    let value = parser.value(0)?;
    parser.space();
    parser.rest.as_str().is_empty().then_some(value)
}

struct Parser<'a> {
    text: &'a str,
    rest: Chars<'a>,
}

impl Parser<'_> {
    /// Bytes of the whole text before what is left.
    fn place(&self) -> usize {
        self.text.len() - self.rest.as_str().len()
    }

    fn space(&mut self) {
        self.rest = self.rest.as_str().trim_start().chars();
    }

    /// Goes past a letter, if it comes next after spaces.
    fn take(&mut self, letter: char) -> Option<()> {
        self.space();
        let rest = self.rest.as_str().strip_prefix(letter)?;
        self.rest = rest.chars();
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        self.space();
        let rest = self.rest.as_str();
        match rest.chars().next()? {
            quote @ ('\'' | '"') => self.text(quote),
            // Python 2 marked text by a letter.
            'u' => {
                self.rest.next();
                let quote = self.rest.clone().next().filter(|next| matches!(next, '\'' | '"'))?;
                self.text(quote)
            }
            '(' => self.list(')', depth),
            '[' => self.list(']', depth),
            '0'..='9' => {
                let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
                let number = rest[..digits].parse().ok()?;
                // Python 2 wrote long whole numbers with an L.
                self.rest = rest[digits..].strip_prefix('L').unwrap_or(&rest[digits..]).chars();
                Some(Literal::Whole(number))
            }
            _ => {
                let words =
                    [("True", Literal::Flag(true)), ("False", Literal::Flag(false)), ("None", Literal::Nothing)];
                words.into_iter().find_map(|(word, value)| {
                    self.rest = rest.strip_prefix(word)?.chars();
                    Some(value)
                })
            }
        }
    }

    fn list(&mut self, end: char, depth: usize) -> Option<Literal> {
        if depth == DEEPEST {
            return None;
        }
        self.rest.next();
        let mut values = Vec::new();
        while self.take(end).is_none() {
            values.push(self.value(depth + 1)?);
            if self.take(',').is_none() {
                self.take(end)?;
                break;
            }
        }
        Some(Literal::List(values))
    }

    fn text(&mut self, quote: char) -> Option<Literal> {
        self.rest.next();
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                letter if letter == quote => return Some(Literal::Text(text)),
                '\\' => text.push(match self.rest.next()? {
                    letter @ ('\\' | '\'' | '"') => letter,
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'x' => self.code(2)?,
                    'u' => self.code(4)?,
                    'U' => self.code(8)?,
                    _ => return None,
                }),
                letter => text.push(letter),
            }
        }
    }

    /// A letter by its number in so many hexadecimal digits.
    fn code(&mut self, digits: usize) -> Option<char> {
        let rest = self.rest.as_str();
        let (number, left) = rest.split_at_checked(digits)?;
        if !number.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = left.chars();
        char::from_u32(u32::from_str_radix(number, 16).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.into())
    }

    #[test]
    fn literals_are_read_as_python_reads_them() {
        assert_eq!(parse(" '<f8' "), Some(text("<f8")));
        assert_eq!(parse("u\"it's\""), Some(text("it's")));
        assert_eq!(parse(r"'\'\\\n\x41\u00e4\U0001f600'"), Some(text("'\\\nA\u{e4}\u{1f600}")));
        assert_eq!(parse("(3, 4L,)"), Some(Literal::List(vec![Literal::Whole(3), Literal::Whole(4)])));
        assert_eq!(parse("()"), Some(Literal::List(Vec::new())));
        let field = Literal::List(vec![text("a"), text("<i4"), Literal::List(vec![Literal::Whole(2)])]);
        assert_eq!(parse("[('a', '<i4', (2,)), ]"), Some(Literal::List(vec![field])));
        assert_eq!(parse("True"), Some(Literal::Flag(true)));
        assert_eq!(parse("None"), Some(Literal::Nothing));
        for wrong in
            ["", "'a", "(1", "(1 2)", "[1)", "-1", "1.5", "Truex", "'\\q'", "'\\xg0'", "'\\ud800'", "1 2", "f(1)"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        // 2^64 is no usize.
        assert_eq!(parse("18446744073709551616"), None);
    }

    #[test]
    fn a_dictionary_gives_the_text_of_its_values() {
        let header = "{'descr': [('shape', '<f8')], \"fortran_order\": False, 'shape': (3,), }   \n";
        let entries = dictionary(header).unwrap();
        let expected = [("descr", "[('shape', '<f8')]"), ("fortran_order", "False"), ("shape", "(3,)")];
        assert_eq!(entries, expected.map(|(key, value)| (key.to_owned(), value)));
        for wrong in ["", "{", "{'a'}", "{'a': 1", "{1: 2}", "{'a': 1} x", "('a', 1)"] {
            assert_eq!(dictionary(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(DEEPEST)).is_some());
        assert_eq!(parse(&nested(DEEPEST + 1)), None);
        assert_eq!(parse(&nested(60_000)), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\](){}'\"\\\\:, ux0-9LTrue\u{e4}]{0,40}") {
            let _ = parse(&text);
            let _ = dictionary(&text);
        }
    }
}
