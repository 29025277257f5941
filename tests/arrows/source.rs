//! Extracts dependencies from source text: [`arrows_of`] parses the modules of a crate and
//! finds which top-level module uses which. Test-only uses (`#[cfg(test)]`) do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, MetaList, UseTree};

/// From each module to those that it uses.
pub(crate) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The dependencies between the top-level modules of the library and of the program in
/// `folder`.
pub(crate) fn arrows_of(folder: &Path) -> Arrows {
    let roots = ["lib.rs", "main.rs"].map(|root| folder.join("src").join(root));
    let mut arrows = Arrows::new();
    for root in roots.iter().filter(|root| root.is_file()) {
        let file = parse(root);
        let root_names = RootNames::of(&file);
        let folder = folder.join("src");
        let mut reader = Reader { root_names, folder, module: Vec::new(), arrows };
        reader.visit_file(&file);
        arrows = reader.arrows;
    }
    assert!(!roots.iter().all(|root| !root.is_file()), "no crate in {}", folder.display());
    arrows
}

fn parse(path: &Path) -> syn::File {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The module of a name that follows `crate::`: modules, and what the root re-exports from
/// them.
struct RootNames(BTreeMap<String, String>);

impl RootNames {
    fn of(root: &syn::File) -> Self {
        let modules = root.items.iter().filter_map(|item| match item {
            Item::Mod(module) => Some(module.ident.to_string()),
            _ => None,
        });
        let mut names: BTreeMap<_, _> =
            modules.map(|module| (module.clone(), module)).collect();
        for item in &root.items {
            let Item::Use(reexport) = item else { continue };
            for (path, name) in leaves(&reexport.tree) {
                let first =
                    path.iter().find(|&segment| segment != "crate" && segment != "self");
                if let Some(module) = first.and_then(|first| names.get(first)).cloned() {
                    names.entry(name).or_insert(module);
                }
            }
        }
        Self(names)
    }
}

/// Each path of a `use`, and its local name.
fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let begin = |(mut path, name): (Vec<String>, _)| {
                path.insert(0, first.clone());
                (path, name)
            };
            leaves(&path.tree).into_iter().map(begin).collect()
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(name) => vec![(vec![name.ident.to_string()], name.rename.to_string())],
        UseTree::Glob(_) => vec![(vec!["*".to_owned()], "*".to_owned())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// Visits one module after the other.
struct Reader {
    root_names: RootNames,
    /// Directory of this module's child modules.
    folder: PathBuf,
    /// Path of this module from the root, which is empty.
    module: Vec<String>,
    arrows: Arrows,
}

impl Reader {
    /// Records a path as written in this module.
    fn names<T: AsRef<str>>(&mut self, path: &[T]) {
        let Some(own) = self.module.first() else { return };
        let mut base = self.module.clone();
        let mut rest = path.iter().map(AsRef::as_ref).peekable();
        match rest.next() {
            Some("crate") => base.clear(),
            Some("super") => drop(base.pop()),
            // Any other name belongs to this module, or to another crate.
            _ => return,
        }
        while rest.next_if_eq(&"super").is_some() {
            base.pop();
        }
        // Otherwise it stays within the top-level module.
        if !base.is_empty() {
            return;
        }
        let Some(name) = rest.next() else { return };
        let to = self.root_names.0.get(name).cloned();
        // Items defined in the root itself belong to no module.
        let to = to.unwrap_or_else(|| format!("crate::{name}"));
        if to != *own {
            self.arrows.entry(own.clone()).or_default().insert(to);
        }
    }

    /// Records the paths in the input of a macro, which may be anything.
    fn names_in(&mut self, tokens: &str) {
        let tokens: String = tokens.split_whitespace().collect::<Vec<_>>().join(" ");
        let tokens = tokens.replace(" :: ", "::").replace(":: ", "::").replace(" ::", "::");
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for path in tokens.split(|c| !is_path(c)).filter(|path| path.contains("::")) {
            self.names(&path.split("::").collect::<Vec<_>>());
        }
    }

    fn file_of(&self, module: &str) -> PathBuf {
        let beside = self.folder.join(format!("{module}.rs"));
        if beside.is_file() { beside } else { self.folder.join(module).join("mod.rs") }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let name = module.ident.to_string();
        assert!(
            !module.attrs.iter().any(|attribute| attribute.path().is_ident("path")),
            "mod {name}: #[path] hides where a module is"
        );
        let file = self.file_of(&name);
        self.module.push(name.clone());
        let inner = self.folder.join(name);
        let outer = std::mem::replace(&mut self.folder, inner);
        if module.content.is_some() {
            visit::visit_item_mod(self, module);
        } else {
            self.visit_file(&parse(&file));
        }
        self.folder = outer;
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for (path, _) in leaves(&item.tree) {
            self.names(&path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.names(&segments.collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.names_in(&call.tokens.to_string());
    }

    fn visit_meta_list(&mut self, list: &'ast MetaList) {
        self.names_in(&list.tokens.to_string());
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.meta.require_list().map(|list| list.tokens.to_string());
        attribute.path().is_ident("cfg") && condition.is_ok_and(|condition| condition == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
