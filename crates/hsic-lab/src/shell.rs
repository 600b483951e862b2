//! Words of a command line that can be copied into a shell.

/// A word as a shell reads it back: in quotes where it holds anything that a shell would take for something else.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:,=+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        for (word, told) in [
            ("runs/mnist-mlp-hsic-1", "runs/mnist-mlp-hsic-1"),
            ("fourier:128", "fourier:128"),
            ("1,5,10", "1,5,10"),
            ("my run", "'my run'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("a;b", "'a;b'"),
            ("~x", "'~x'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), told);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_reads_a_quoted_word_back() {
        for word in ["a b", "it's \"so\"", "$(false) `x` \\ *", "line\nbreak", "#", "-", "{a,b}", "!x", "ü"] {
            let output = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
        }
    }
}
