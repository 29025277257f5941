//! One manual page, of a program or a subcommand: [`page`]. Names, arguments and subcommands are
//! rendered by `clap_mangen`; the text below the flags becomes sections of its own
//! ([`Parts`]), whose lines stay apart.

use std::io::{self, Write};

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::brief::{listed, with_values};
use crate::commands::{name_of, shown};
use crate::sections::{EXAMPLES, Item, Parts, Section};

/// Programs that refer to each other.
const PROGRAMS: [&str; 3] = ["echo-bench", "echo-client", "echo-server"];

/// The page of `command`, which is `program` or one of its subcommands, in roff.
pub(crate) fn page(program: &Command, command: &Command) -> String {
    let mut roff = Vec::new();
    // Writing to memory can't fail.
    let _ = write(program, command, &mut roff);
    portable(&String::from_utf8_lossy(&roff))
}

fn write(program: &Command, command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let below = command.get_after_long_help().or_else(|| command.get_after_help());
    let parts = Parts::parse(&below.map(ToString::to_string).unwrap_or_default());
    let version = program.get_version().unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let command = command
        .clone()
        .override_usage(usage)
        .subcommand_help_heading("COMMANDS")
        .mut_args(spelled_out);
    let has_commands = shown(&command).next().is_some();
    let title = name_of(&command).to_uppercase().replace('-', r"\-");
    let source = format!("{} {version}", program.get_name()).replace('-', r"\-");
    let see_also = see_also(program, &command);
    let man = Man::new(command);
    // Not that of `Man`, which leaves an empty date out, so that all that follows moves.
    let mut header = Roff::new();
    header.control("TH", [&*title, "1", "\"\"", &*source, "User Commands"]);
    // Words and lines as they are: no hyphens within words, no spaces to fill a line.
    header.control("nh", []).control("ad", ["l"]);
    header.to_writer(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    paragraphs(&parts.paragraphs).to_writer(out)?;
    if has_commands {
        man.render_subcommands_section(out)?;
    }
    man.render_options_section(out)?;
    for section in &parts.sections {
        rendered(section).to_writer(out)?;
    }
    see_also.to_writer(out)
}

/// An argument with all that `--help` says about it in one text: `clap_mangen` drops the help of
/// what `-h` does not show, and lists values one below the other.
fn spelled_out(arg: Arg) -> Arg {
    let names = listed(&arg);
    let help = with_values(&arg, &names);
    let heading = match arg.get_help_heading() {
        // What is in parentheses belongs to help, and may be a flag, which has no capitals.
        Some(heading) => heading.split(" (").next().map(str::to_owned),
        None => arg.is_positional().then(|| "Arguments".to_owned()),
    };
    let is_listed = arg.is_hide_possible_values_set() || !names.is_empty();
    let arg = arg.long_help(help).hide_possible_values(is_listed);
    match heading {
        Some(heading) => arg.help_heading(heading),
        None => arg,
    }
}

fn paragraphs(texts: &[String]) -> Roff {
    let mut roff = Roff::new();
    for text in texts {
        roff.control("PP", []).text([roman(text)]);
    }
    roff
}

fn rendered(section: &Section) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [&*section.heading]);
    for (place, item) in section.items.iter().enumerate() {
        if section.heading == EXAMPLES {
            example(&mut roff, item, place == 0);
        } else {
            roff.control("TP", []).text([bold(item.tag.join(" "))]).text([roman(&item.text)]);
        }
    }
    roff
}

/// A command to copy, in lines as they were written, and below it what it does.
fn example(roff: &mut Roff, item: &Item, is_first: bool) {
    if !is_first {
        roff.control("PP", []);
    }
    roff.control("nf", []);
    for line in &item.tag {
        roff.text([bold(line)]);
    }
    roff.control("fi", []);
    if !item.text.is_empty() {
        roff.control("RS", ["4"]).text([roman(&item.text)]).control("RE", []);
    }
}

fn see_also(program: &Command, command: &Command) -> Roff {
    let own = (command.get_name() != program.get_name()).then(|| program.get_name());
    let others = PROGRAMS.into_iter().filter(|name| *name != program.get_name());
    let names: Vec<&str> = own.into_iter().chain(others).collect();
    let mut words = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let end = if place + 1 < names.len() { "(1), " } else { "(1)" };
        words.extend([bold(*name), roman(end)]);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text(words);
    roff
}

/// The definition of an apostrophe that begins each part.
const PREAMBLE: [&str; 2] = [r".ie \n(.g .ds Aq \(aq", ".el .ds Aq '"];

/// The parts as one page that groff and mandoc print alike: no empty lines, and special names
/// for characters that would be accents or undefined escapes.
fn portable(parts: &str) -> String {
    let lines = parts.lines().filter(|line| !PREAMBLE.contains(line)).map(|line| {
        if line.trim().is_empty() {
            return ".sp".to_owned();
        }
        let line = line.replace(r"\\", r"\(rs").replace('~', r"\(ti");
        line.replace('^', r"\(ha").replace('`', r"\(ga")
    });
    let lines = PREAMBLE.into_iter().map(str::to_owned).chain(lines);
    lines.map(|line| line + "\n").collect()
}
