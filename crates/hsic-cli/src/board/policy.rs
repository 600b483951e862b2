//! What a browser may do with the board's page: run its one script, which is known by its hash, and ask this server.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::html::board::script;

/// The header of the board's page.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = base64(&Sha256::digest(script().as_bytes()));
    format!(
        "Content-Security-Policy: default-src 'none'; script-src 'sha256-{hash}'; connect-src 'self'; \
         style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n"
    )
});

/// Bytes in letters (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index)) as usize & 63];
            text.push(if index <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_letters_are_those_of_the_standard() {
        // Section 10 of RFC 4648.
        let known =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in known {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn the_policy_is_one_line_and_allows_no_script_but_one() {
        assert_eq!((POLICY.matches("\r\n").count(), POLICY.matches('\n').count()), (1, 1));
        assert_eq!(POLICY.matches("script-src 'sha256-").count(), 1);
        assert!(!POLICY.contains("unsafe-eval") && !POLICY.contains('*'));
    }
}
