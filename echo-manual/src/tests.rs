//! Pages and scripts of a made-up program.

use clap::Parser;

use super::*;

/// Run things
#[derive(Debug, Parser)]
#[command(
    name = "made-up",
    version = "1.2",
    after_help = "See --help.",
    after_long_help = AFTER,
    mut_args(only(&["count", "where_to"]))
)]
struct MadeUp {
    /// Where to, ~ or ^
    #[arg(default_value = "here")]
    where_to: String,
    /// How many
    ///
    /// 'Quoted', and a \ too.
    #[arg(long, default_value = "7", help_heading = "Numbers (of --count)")]
    count: u32,
    /// How it goes
    #[arg(long, value_parser = ["slow", "fast"])]
    pace: Option<String>,
    /// A secret
    #[arg(long, hide = true)]
    secret: bool,
    #[command(subcommand)]
    what: Option<What>,
}

const AFTER: &str = "\
Examples:
  made-up --count 1 'a b'     one
  made-up --pace slow \\
          --count 2           never seen as a text

It needs nothing.

Exit codes:
  0  done
  1  failed";

#[derive(Debug, Subcommand)]
enum What {
    /// Do a thing
    Thing {
        /// How hard
        #[arg(long)]
        hard: bool,
        /// What of
        #[arg(long, value_name = "FILE")]
        of: Option<PathBuf>,
    },
    /// Not for people
    #[command(hide = true)]
    Inner,
    /// A thing with parts
    #[command(subcommand)]
    Nest(Nest),
    #[command(flatten)]
    Pages(Pages),
}

#[derive(Debug, Subcommand)]
enum Nest {
    /// Lay an egg
    Egg,
}

fn text(words: &[&str]) -> Result<String, PagesError> {
    use clap::CommandFactory as _;
    let typed = MadeUp::try_parse_from(["made-up"].iter().chain(words)).unwrap();
    let Some(What::Pages(pages)) = typed.what else { panic!("{words:?}") };
    pages.text(MadeUp::command())
}

#[test]
fn a_page_has_what_help_has_in_the_sections_of_a_manual() {
    let page = text(&["man"]).unwrap();
    let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    let expected = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "COMMANDS",
        "OPTIONS",
        "ARGUMENTS",
        "NUMBERS",
        "\"EXIT STATUS\"",
        "EXAMPLES",
        "\"SEE ALSO\"",
    ];
    assert_eq!(headings, expected, "{page}");
    for wanted in [
        ".TH MADE\\-UP 1 \"\" \"made\\-up 1.2\" \"User Commands\"\n",
        "made\\-up \\- Run things\n",
        "\\fBmade\\-up\\fR [OPTIONS]",
        "It needs nothing.\n",
        "[default: 7]\nHow many\n.sp\n\\*(AqQuoted\\*(Aq, and a \\(rs too.\n",
        "How it goes\n.sp\n[possible values: slow, fast]\n",
        "Where to, \\(ti or \\(ha\n",
        "made\\-up\\-nest(1)",
        ".nf\n\\fBmade\\-up \\-\\-count 1 \\*(Aqa b\\*(Aq\\fR\n.fi\n.RS 4\none\n.RE\n",
        "\\fBmade\\-up \\-\\-pace slow \\(rs\\fR\n\\fB        \\-\\-count 2 ",
        "\\fBecho\\-server\\fR(1)\n",
    ] {
        assert!(page.contains(wanted), "no {wanted} in {page}");
    }
    for unwanted in ["secret", "inner", "\n\n", "help(1)"] {
        assert!(!page.contains(unwanted), "{unwanted} in {page}");
    }
}

#[test]
fn a_subcommand_has_a_page_and_one_that_is_hidden_has_none() {
    let thing = text(&["man", "thing"]).unwrap();
    for wanted in ["MADE\\-UP\\-THING", "\\fBmade\\-up thing\\fR", "hard", "made\\-up 1.2"] {
        assert!(thing.contains(wanted), "{thing}");
    }
    assert!(text(&["man", "nest", "egg"]).unwrap().contains("made\\-up\\-nest\\-egg"));
    for unknown in ["inner", "nothing", "help"] {
        let told = text(&["man", unknown]).unwrap_err().to_string();
        assert!(told.contains(unknown), "{told}");
    }
}

#[test]
fn all_pages_are_written_to_a_folder_that_is_created() {
    let room = tempfile::tempdir().unwrap();
    let dir = room.path().join("share/man1");
    assert_eq!(text(&["man", "--dir", dir.to_str().unwrap()]).unwrap(), "");
    let mut names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["completions", "man", "nest-egg", "nest", "thing"];
    let mut expected: Vec<_> = expected.map(|name| format!("made-up-{name}.1")).to_vec();
    expected.push("made-up.1".into());
    expected.sort();
    assert_eq!(names, expected);
    let file = room.path().join("file");
    fs::write(&file, "").unwrap();
    let told = text(&["man", "--dir", file.to_str().unwrap()]).unwrap_err();
    assert!(told.to_string().contains("writing manual pages to"), "{told}");
}

#[test]
fn scripts_offer_flags_and_values_and_nothing_that_is_hidden() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&["completions", shell]).unwrap();
        for wanted in ["count", "hard", "fast", "nest", "help"] {
            assert!(script.contains(wanted), "{shell} without {wanted}: {script}");
        }
        for unwanted in ["secret", "inner"] {
            assert!(!script.contains(unwanted), "{shell} with {unwanted}: {script}");
        }
    }
    assert!(text(&["completions", "bash"]).unwrap().contains(BASH_MARK));
}

/// Of the lines that are added to the script for bash.
const BASH_MARK: &str = "prev=\"${COMP_WORDS[COMP_CWORD-2]}\"";

#[test]
fn short_help_has_only_what_is_named_and_long_help_has_all() {
    use clap::CommandFactory as _;
    let short = MadeUp::command().render_help().to_string();
    let long = MadeUp::command().render_long_help().to_string();
    assert!(short.contains("--count") && !short.contains("--pace"), "{short}");
    assert!(long.contains("--count") && long.contains("--pace"), "{long}");
}
