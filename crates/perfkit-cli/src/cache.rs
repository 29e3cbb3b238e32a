//! `perfkit cache`: what a cache would do for recorded requests, how it should be set up for them, and
//! what is in one on disk.

mod advice;
mod arguments;
mod cells;
mod plot;
mod read;
mod replay;
mod scale;
mod sizes;
mod strategy;
mod survey;
mod svg;
mod table;

pub(crate) use arguments::CacheArguments;

use crate::failure::Failure;
use arguments::CacheCommand;
use std::process::ExitCode;

pub(crate) fn run(arguments: &CacheArguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        CacheCommand::Replay(arguments) => replay::run(arguments)?,
        CacheCommand::Strategy(arguments) => strategy::run(arguments)?,
        CacheCommand::Inspect(arguments) => survey::inspect(arguments)?,
        CacheCommand::Verify(arguments) => return survey::verify(arguments),
    }
    Ok(ExitCode::SUCCESS)
}
