use perfkit::cache::cached;
use std::borrow::Cow;

#[cached]
fn of_some_type(n: impl ToString) -> String {
    n.to_string()
}

#[cached]
fn changed(list: &mut Vec<u64>) -> usize {
    list.len()
}

#[cached]
fn borrowed(text: Cow<'_, str>) -> usize {
    text.len()
}

#[cached]
fn of_borrowed(texts: &[&str]) -> usize {
    texts.len()
}

#[cached]
fn of_some(shown: &dyn std::fmt::Display) -> String {
    shown.to_string()
}

#[cached]
fn inexact(x: f64) -> f64 {
    x * x
}

#[cached(key = a.len())]
fn not_seen(a: &str) -> usize {
    a.len()
}

#[cached(key = 7)]
fn of_no_type(a: &str) -> usize {
    a.len()
}

#[cached(key = "a b")]
fn no_expression(a: &str) -> usize {
    a.len()
}

#[cached(ignore_self)]
fn without_self(a: &str) -> usize {
    a.len()
}

#[cached]
#[allow(clippy::too_many_arguments)]
fn too_many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8) -> u8 {
    a + b + c + d + e + f + g + h + i + j + k + l + m
}

struct Shop {
    id: u64,
}

impl Shop {
    #[cached]
    fn price(&self, n: u64) -> u64 {
        self.id + n
    }

    #[cached(ignore_self)]
    fn change(&mut self, n: u64) -> u64 {
        self.id += n;
        n
    }

    #[cached(key = (self.id, n))]
    fn field(&self, n: u64) -> u64 {
        self.id + n
    }

    #[cached(ignore_self, key = n)]
    fn both(&self, n: u64) -> u64 {
        n
    }
}

fn main() {}
