//! Who serves the cells of a sweep: [`Servers`], looked up once before the first run.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::exec;
use echo_bench_engine::plan::Target;
use echo_bench_engine::server_process::{self, ServerProcess};
use echo_bench_report::report::Report;
use echo_bench_report::sweep::PlannedCell;

/// What is known of a server before a run.
#[derive(Debug, Clone)]
enum Server {
    /// Each run starts one of its own, from this program.
    Embedded,
    /// Each run starts one by a command, from a program with this digest.
    Command(Option<String>),
    /// The one at an address.
    At(String, Option<ServerProcess>),
    /// The one at an address that agents load, which only an agent could tell from another.
    OfAgents(String),
}

/// The servers of all cells, as they are now.
#[derive(Debug)]
pub(super) struct Servers {
    of_cells: Vec<Server>,
    /// This program.
    program_sha256: Option<String>,
}

impl Servers {
    /// Those of these cells, which may be carried out on agents.
    ///
    /// # Errors
    /// When a command names no program: no run of it would start.
    pub(super) fn now(cells: &[PlannedCell], on_agents: bool) -> anyhow::Result<Self> {
        let mut known: BTreeMap<(String, Option<u32>), Option<ServerProcess>> = BTreeMap::new();
        let mut programs: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut server = |cell: &PlannedCell| {
            Ok(match &cell.target {
                Target::Address { address, .. } if on_agents => {
                    Server::OfAgents(address.clone())
                }
                Target::Address { address, server_pid } => {
                    let key = (address.clone(), *server_pid);
                    let look = || match *server_pid {
                        Some(pid) => ServerProcess::of(pid),
                        None => ServerProcess::at(address),
                    };
                    let process = known.entry(key).or_insert_with(look).clone();
                    Server::At(address.clone(), process)
                }
                Target::Embedded { .. } => Server::Embedded,
                Target::Command(command) => {
                    let command = &command.command;
                    if !programs.contains_key(command) {
                        let file = exec::program_of(command).context("reading --exec")?;
                        programs.insert(command.clone(), server_process::file_sha256(&file));
                    }
                    Server::Command(programs.get(command).cloned().flatten())
                }
            })
        };
        let of_cells = cells.iter().map(&mut server).collect::<anyhow::Result<_>>()?;
        let program_sha256 = server_process::program_sha256(std::process::id());
        Ok(Self { of_cells, program_sha256 })
    }

    /// Whether the server of a cell is still the one that the report is about.
    pub(super) fn is_same(&self, cell: usize, report: &Report) -> bool {
        match &self.of_cells[cell] {
            Server::At(_, process) => *process == report.server,
            Server::OfAgents(_) => true,
            Server::Embedded => program_of(report) == self.program_sha256.as_ref(),
            Server::Command(sha256) => program_of(report) == sha256.as_ref(),
        }
    }

    /// The servers of which nothing but the address is known.
    pub(super) fn unidentified(&self) -> Vec<String> {
        let address = |server: &Server| match server {
            Server::At(address, None) | Server::OfAgents(address) => Some(address.clone()),
            _ => None,
        };
        let mut found: Vec<String> = self.of_cells.iter().filter_map(address).collect();
        found.sort();
        found.dedup();
        found
    }
}

/// The program that the server of a report ran.
fn program_of(report: &Report) -> Option<&String> {
    report.server.as_ref().and_then(|server| server.program_sha256.as_ref())
}
