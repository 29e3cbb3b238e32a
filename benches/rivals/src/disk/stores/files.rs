//! One file for each value, in 256 folders, made elsewhere and renamed so that none is half written.

use super::{Data, Store};
use anyhow::Result;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

struct Files {
    folder: PathBuf,
}

pub(super) fn open(folder: &Path, _: &Data) -> Result<Box<dyn Store>> {
    for first in 0..=255_u8 {
        fs::create_dir_all(folder.join(format!("{first:02x}")))?;
    }
    Ok(Box::new(Files { folder: folder.to_owned() }))
}

impl Files {
    fn path(&self, key: &[u8]) -> PathBuf {
        let mut name = String::with_capacity(2 * key.len());
        for byte in key {
            _ = write!(name, "{byte:02x}");
        }
        self.folder.join(&name[..2]).join(name)
    }
}

impl Store for Files {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let path = self.path(key);
        let half = path.with_extension("new");
        File::create(&half)?.write_all(value)?;
        fs::rename(half, path)?;
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        match File::open(self.path(key)) {
            Ok(mut file) => Ok(file.read_to_end(into).map(|_| true)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}
