//! `perfkit cache`: what a cache would do for recorded requests.

mod advice;
mod arguments;
mod cells;
mod plot;
mod read;
mod replay;
mod scale;
mod sizes;
mod svg;
mod table;

pub(crate) use arguments::CacheArguments;

use crate::failure::Failure;
use arguments::CacheCommand;

pub(crate) fn run(arguments: &CacheArguments) -> Result<(), Failure> {
    match &arguments.command {
        CacheCommand::Replay(arguments) => replay::run(arguments),
    }
}
