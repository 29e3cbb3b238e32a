//! Words made safe for where they go: names come from anywhere.

/// Without control characters and without marks that turn the direction of writing around.
pub(super) fn clean(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => '\u{fffd}',
        '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// For HTML and SVG, as text or in a quoted attribute.
pub(super) fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// For HTML, and long names may break after what joins their parts.
pub(super) fn breakable(text: &str) -> String {
    let mut broken = String::new();
    for part in text.split_inclusive(['/', '_']) {
        broken.push_str(&html(part));
        if part.ends_with(['/', '_']) {
            broken.push_str("<wbr>");
        }
    }
    broken
}

/// For running text and table cells of markdown.
pub(super) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            // Would make a mention of somebody.
            '@' => safe.push_str("@\u{200b}"),
            c => safe.push(c),
        }
    }
    safe
}

/// Columns that the text takes in a terminal, near enough: East Asian characters take two,
/// combining ones none.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// The text in at most `most` columns, its end cut off with `…` where it is longer.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += char_width(c);
        if used >= most {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// The text in lines of at most `most` columns, broken at spaces where there are any, else after
/// what joins the parts of a name.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let mut space = usize::from(used > 0);
        let parts: Vec<&str> = if width(word) <= most {
            vec![word]
        } else {
            word.split_inclusive(['/', '_', '-', ':']).collect()
        };
        for part in parts {
            if used > 0 && used + space + width(part) > most {
                lines.push(String::new());
                (used, space) = (0, 0);
            }
            if space > 0 {
                push(&mut lines, ' ');
                used += 1;
                space = 0;
            }
            for c in part.chars() {
                let w = char_width(c);
                if used + w > most && used > 0 {
                    lines.push(String::new());
                    used = 0;
                }
                push(&mut lines, c);
                used += w;
            }
        }
    }
    lines
}

fn push(lines: &mut [String], c: char) {
    if let Some(line) = lines.last_mut() {
        line.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(clean("a\u{1b}[31mb\nc\u{202e}d\u{7f}"), "a␛[31mb c\u{fffd}d␡");
    }

    #[test]
    fn html_cannot_be_broken_out_of() {
        let safe = html(r#"<script>alert('x' & "y")</script>"#);
        assert_eq!(safe, "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;");
    }

    #[test]
    fn markdown_keeps_its_cells_together() {
        assert_eq!(markdown("a|b `c` <i> @all"), "a\\|b \\`c\\` &lt;i> @\u{200b}all");
    }

    #[test]
    fn text_is_cut_and_wrapped_by_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("of cache/hit_ratio", 9), ["of cache/", "hit_ratio"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(width("日本e\u{301}"), 5);
    }
}
