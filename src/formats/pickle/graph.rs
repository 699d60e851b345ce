//! What the opcodes build: an arena of nodes that refer to one another by number, so that sharing through the memo
//! costs nothing and containers can still grow after they were memoised.

use std::ops::Range;
use std::sync::Arc;

use super::globals::Global;

pub(super) type Id = usize;

pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    BigInt(Arc<str>),
    Float(f64),
    Text(Arc<str>),
    /// Part of the input: copied once, when the array or byte string it becomes is known.
    Bytes(Range<usize>),
    /// Bytes of a Python 2 string that was written with escapes.
    Escaped(Arc<[u8]>),
    /// A Python 2 `str`: bytes that are text more often than not.
    OldText(Range<usize>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Arc<Global>),
    Call(Box<Call>),
    /// A reference to something outside the pickle: a torch storage.
    Persistent(Id),
}

/// A constructor with its arguments. It is interpreted when the whole graph is known, never executed.
pub(super) struct Call {
    pub global: Arc<Global>,
    pub args: Vec<Id>,
    pub state: Option<Id>,
    pub items: Vec<Id>,
    pub entries: Vec<(Id, Id)>,
}

pub(super) struct Graph<'a> {
    pub input: &'a [u8],
    pub nodes: Vec<Node>,
    pub root: Id,
}

impl Graph<'_> {
    /// Visits what must be frozen before `id`. Tuples of state are entered, and bytes are left out: the constructor
    /// takes both apart itself, so that the bytes of an array are copied only once.
    pub fn for_each_child(&self, id: Id, mut visit: impl FnMut(Id)) {
        match &self.nodes[id] {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) => items.iter().for_each(|&item| visit(item)),
            Node::Dict(entries) => pairs(entries, &mut visit),
            Node::Persistent(item) => visit(*item),
            Node::Call(call) => {
                call.args.iter().chain(self.state(call)).for_each(|&item| {
                    if !matches!(self.nodes[item], Node::Bytes(_)) {
                        visit(item);
                    }
                });
                call.items.iter().for_each(|&item| visit(item));
                pairs(&call.entries, &mut visit);
            }
            _ => {}
        }
    }

    /// The state of a call, taken apart if it is a tuple.
    pub fn state<'c>(&'c self, call: &'c Call) -> &'c [Id] {
        match &call.state {
            Some(state) => match &self.nodes[*state] {
                Node::Tuple(items) => items,
                _ => std::slice::from_ref(state),
            },
            None => &[],
        }
    }
}

fn pairs(entries: &[(Id, Id)], visit: &mut impl FnMut(Id)) {
    for &(key, value) in entries {
        visit(key);
        visit(value);
    }
}
