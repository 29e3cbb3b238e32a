//! The program `perfkit`: a caching, measuring gateway with a live dashboard.

mod arguments;
mod bars;
mod bench;
mod cache;
mod demo;
mod failure;
mod gate;
mod load;
mod output;
mod run;
mod serve;
mod service;
mod settings;
mod signals;
mod span;
mod stores;

use arguments::{Arguments, Command};
use clap::{CommandFactory, FromArgMatches};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<ExitCode, Failure> {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let Some((_, matches)) = matches.subcommand() else {
        return Err(Failure::usage("name a command: `perfkit --help` lists them"));
    };
    match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments, matches)?,
        Command::Demo(arguments) => demo::run(&arguments)?,
        Command::Gate(arguments) => return gate::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments)?,
        Command::Cache(arguments) => return cache::run(&arguments),
        Command::Load(arguments) => return load::run(&arguments),
        Command::Run(arguments) => return run::run(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}
