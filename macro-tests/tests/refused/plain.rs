use perfkit::cache::Plain;

#[derive(Clone, Copy, Plain)]
struct Wrapper<T>(T);

#[derive(Clone, Copy, Plain)]
enum Either {
    Number(u64),
    Nothing,
}

#[derive(Clone, Copy, Plain)]
enum Never {}

#[derive(Clone, Copy, Plain)]
union Both {
    number: u64,
}

#[derive(Clone, Copy, Plain)]
#[plain(words = 2)]
struct Told(u64);

fn main() {}
