//! The opcodes of protocols 0 to 5. Running them builds a [`Graph`]; nothing is imported or called.

use std::collections::HashMap;
use std::sync::Arc;

use super::bytes::Bytes;
use super::globals::{Constructor, Global, constructor};
use super::graph::{Call, Graph, Id, Node};
use super::{PickleError, UnknownGlobal, text};
use crate::formats::limits::Budget;

type Result<T> = std::result::Result<T, PickleError>;

pub(super) struct Machine<'a, 'b, 'l> {
    bytes: Bytes<'a>,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Stack heights at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Start of the opcode being run.
    here: usize,
    budget: &'b mut Budget<'l>,
    unknown: UnknownGlobal,
    /// Whether references to outside objects are understood: in torch checkpoints only.
    persistent: bool,
}

/// Runs one pickle; returns what it built and where it ended.
pub(super) fn run<'a>(
    input: &'a [u8],
    budget: &mut Budget<'_>,
    unknown: UnknownGlobal,
    persistent: bool,
) -> Result<(Graph<'a>, usize)> {
    let bytes = Bytes { input, at: 0 };
    let (nodes, stack, marks, memo) = Default::default();
    let mut machine = Machine { bytes, nodes, stack, marks, memo, here: 0, budget, unknown, persistent };
    loop {
        machine.here = machine.bytes.at;
        let opcode = machine.bytes.u8()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok((Graph { input, nodes: machine.nodes, root }, machine.bytes.at));
        }
        machine.step(opcode)?;
    }
}

impl Machine<'_, '_, '_> {
    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // The stack itself.
            b'(' => {
                self.budget.nodes(1)?;
                self.marks.push(self.stack.len());
            }
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.push_id(top)?;
            }
            0x80 => {
                let protocol = self.bytes.u8()?;
                if protocol > 5 {
                    return Err(PickleError::Unsupported(format!("pickle protocol {protocol}")));
                }
            }
            0x95 => {
                let length = self.bytes.u64()?;
                let at = self.bytes.at;
                // A frame must not be longer than what is left; it needs no other treatment in memory.
                self.bytes.take(length)?;
                self.bytes.at = at;
            }
            // The memo.
            b'p' => {
                let key = self.decimal()?;
                self.memoise(key)?;
            }
            b'q' => {
                let key = self.bytes.u8()?.into();
                self.memoise(key)?;
            }
            b'r' => {
                let key = self.bytes.u32()?.into();
                self.memoise(key)?;
            }
            0x94 => self.memoise(self.memo.len() as u64)?,
            b'g' => {
                let key = self.decimal()?;
                self.recall(key)?;
            }
            b'h' => {
                let key = self.bytes.u8()?.into();
                self.recall(key)?;
            }
            b'j' => {
                let key = self.bytes.u32()?.into();
                self.recall(key)?;
            }
            _ => match self.atom(opcode)? {
                Some(node) => self.push(node)?,
                None => self.structure(opcode)?,
            },
        }
        Ok(())
    }

    /// Opcodes that push a value of their own.
    fn atom(&mut self, opcode: u8) -> Result<Option<Node>> {
        Ok(Some(match opcode {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Int(self.bytes.i32()?.into()),
            b'K' => Node::Int(self.bytes.u8()?.into()),
            b'M' => Node::Int(self.bytes.u16()?.into()),
            b'I' | b'L' => {
                text::integer(self.bytes.line()?, opcode == b'I').ok_or_else(|| self.bad("not an integer"))?
            }
            0x8a => {
                let length = self.bytes.u8()?.into();
                text::long(self.bytes.take(length)?)
            }
            0x8b => {
                let length = self.length()?;
                text::long(self.bytes.take(length)?)
            }
            b'F' => Node::Float(text::float(self.bytes.line()?).ok_or_else(|| self.bad("not a float"))?),
            b'G' => Node::Float(f64::from_be_bytes(self.bytes.array()?)),
            b'X' => self.text(|bytes| Ok(bytes.u32()?.into()))?,
            0x8c => self.text(|bytes| Ok(bytes.u8()?.into()))?,
            0x8d => self.text(|bytes| bytes.u64())?,
            b'V' => {
                let line = self.bytes.line()?;
                let text = text::raw_unicode_escape(line).ok_or_else(|| self.bad("not Unicode text"))?;
                self.budget.bytes(text.len() as u64)?;
                Node::Text(text.into())
            }
            b'B' => Node::Bytes(self.range(|bytes| Ok(bytes.u32()?.into()))?),
            b'C' => Node::Bytes(self.range(|bytes| Ok(bytes.u8()?.into()))?),
            0x8e | 0x96 => Node::Bytes(self.range(|bytes| bytes.u64())?),
            b'U' => Node::OldText(self.range(|bytes| Ok(bytes.u8()?.into()))?),
            b'T' => {
                let length = self.length()?;
                Node::OldText(self.range(|_| Ok(length))?)
            }
            b'S' => {
                let bytes = text::quoted(self.bytes.line()?).ok_or_else(|| self.bad("not a quoted string"))?;
                self.budget.bytes(bytes.len() as u64)?;
                Node::Escaped(bytes.into())
            }
            b']' => Node::List(Vec::new()),
            b')' => Node::Tuple(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            0x8f => Node::Set(Vec::new()),
            b'c' => {
                let global = self.global_line()?;
                Node::Global(global)
            }
            _ => return Ok(None),
        }))
    }

    /// Opcodes that make lists, tuples, sets and dicts of values on the stack, or put values into them.
    fn structure(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            b'l' | b't' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(match opcode {
                    b'l' => Node::List(items),
                    b't' => Node::Tuple(items),
                    _ => Node::Set(items),
                })
            }
            b'd' => {
                let entries = self.pop_entries()?;
                self.push(Node::Dict(entries))
            }
            0x85..=0x87 => {
                let mut items: Vec<Id> = (0x85..=opcode).map(|_| self.pop()).collect::<Result<_>>()?;
                items.reverse();
                self.push(Node::Tuple(items))
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item], false)
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.extend(items, opcode == 0x90)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![(key, value)])
            }
            b'u' => {
                let entries = self.pop_entries()?;
                self.insert(entries)
            }
            _ => self.object(opcode),
        }
    }

    /// Opcodes that make objects: names, calls, states, references.
    fn object(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Text(module), Node::Text(name)) = (&self.nodes[module], &self.nodes[name]) else {
                    return Err(self.bad("a global whose name is not a string"));
                };
                let global = self.global(module.clone(), name.clone())?;
                self.push(Node::Global(global))
            }
            b'R' | 0x81 => {
                let (args, callee) = (self.pop()?, self.pop()?);
                let args = self.arguments(args)?;
                self.call(callee, args, Vec::new())
            }
            0x92 => {
                let (named, args, callee) = (self.pop()?, self.pop()?, self.pop()?);
                let args = self.arguments(args)?;
                let Node::Dict(named) = &self.nodes[named] else { return Err(self.bad("arguments that are no dict")) };
                self.budget.nodes(named.len())?;
                let named = named.clone();
                self.call(callee, args, named)
            }
            b'i' => {
                let global = self.global_line()?;
                self.nodes.push(Node::Global(global));
                let args = self.pop_mark()?;
                self.call(self.nodes.len() - 1, args, Vec::new())
            }
            b'o' => {
                let mut args = self.pop_mark()?;
                if args.is_empty() {
                    return Err(self.bad("an object without a class"));
                }
                let callee = args.remove(0);
                self.call(callee, args, Vec::new())
            }
            b'b' => {
                let (state, object) = (self.pop()?, self.top()?);
                // The state is taken apart when the object is interpreted.
                self.budget.nodes(if let Node::Tuple(items) = &self.nodes[state] { items.len() } else { 1 })?;
                match &mut self.nodes[object] {
                    Node::Call(call) => call.state = Some(state),
                    _ => return Err(self.bad("state for a value that has none")),
                }
                Ok(())
            }
            b'Q' | b'P' if !self.persistent => {
                Err(PickleError::Unsupported("references to objects outside the pickle (a torch checkpoint?)".into()))
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))
            }
            b'P' => Err(PickleError::Unsupported("text references to objects outside the pickle".into())),
            0x82..=0x84 => Err(PickleError::Unsupported("the extension registry".into())),
            0x97 => Err(PickleError::Unsupported("out-of-band buffers".into())),
            0x98 => self.top().map(drop),
            _ => Err(PickleError::UnknownOpcode { opcode, offset: self.here }),
        }
    }

    fn call(&mut self, callee: Id, mut args: Vec<Id>, mut entries: Vec<(Id, Id)>) -> Result<()> {
        let mut global = match &self.nodes[callee] {
            Node::Global(global) => global.clone(),
            Node::Call(call) if call.global.constructor == Constructor::Partial => {
                let (function, mut first, named) = self.partial(call)?;
                self.budget.nodes(first.len() + named.len())?;
                first.append(&mut args);
                args = first;
                entries.splice(0..0, named);
                function
            }
            // What an uninterpreted function would return is just as uninterpreted.
            Node::Call(call) if call.global.constructor == Constructor::Unknown => call.global.clone(),
            _ => return Err(self.bad("a call of something that is not a known constructor")),
        };
        if global.constructor == Constructor::Reconstructor
            && let Some(&class) = args.first()
            && let Node::Global(class) = &self.nodes[class]
        {
            global = class.clone();
            args.clear();
        }
        // A call takes several times the memory of a plain node.
        self.budget.nodes(3)?;
        self.push(Node::Call(Box::new(Call { global, args, state: None, items: Vec::new(), entries })))
    }

    /// What `functools.partial` keeps, which is its state `(function, arguments, named arguments, attributes)`.
    fn partial(&self, call: &Call) -> Result<(Arc<Global>, Vec<Id>, Vec<(Id, Id)>)> {
        let bad = || self.bad("a partial call of something that is not a known constructor");
        let Some(Node::Tuple(state)) = call.state.map(|state| &self.nodes[state]) else { return Err(bad()) };
        let parts: Vec<&Node> = state.iter().map(|&part| &self.nodes[part]).collect();
        match parts.as_slice() {
            [Node::Global(function), Node::Tuple(first), Node::Dict(named), _] => {
                Ok((function.clone(), first.clone(), named.clone()))
            }
            _ => Err(bad()),
        }
    }

    /// Module and name on a line each.
    fn global_line(&mut self) -> Result<Arc<Global>> {
        let (module, name) = (self.bytes.line()?, self.bytes.line()?);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| self.bad("a global that is not UTF-8"));
        let (module, name) = (text(module)?, text(name)?);
        self.budget.bytes((module.len() + name.len()) as u64)?;
        self.global(module.into(), name.into())
    }

    fn global(&self, module: Arc<str>, name: Arc<str>) -> Result<Arc<Global>> {
        let constructor = match (constructor(&module, &name), self.unknown) {
            (Some(constructor), _) => constructor,
            (None, UnknownGlobal::Opaque) => Constructor::Unknown,
            (None, UnknownGlobal::Refuse) => {
                return Err(PickleError::UnknownGlobal { module: shortened(&module), name: shortened(&name) });
            }
        };
        Ok(Arc::new(Global { module, name, constructor }))
    }

    fn arguments(&mut self, args: Id) -> Result<Vec<Id>> {
        let Node::Tuple(args) = &self.nodes[args] else { return Err(self.bad("arguments that are no tuple")) };
        self.budget.nodes(args.len())?;
        Ok(args.clone())
    }

    fn extend(&mut self, mut new: Vec<Id>, set: bool) -> Result<()> {
        let container = self.top()?;
        match &mut self.nodes[container] {
            Node::List(items) if !set => items.append(&mut new),
            Node::Set(items) if set => items.append(&mut new),
            Node::Call(call) => call.items.append(&mut new),
            _ => return Err(self.bad("items for a value that is no list or set")),
        }
        Ok(())
    }

    fn insert(&mut self, mut new: Vec<(Id, Id)>) -> Result<()> {
        let container = self.top()?;
        match &mut self.nodes[container] {
            Node::Dict(entries) => entries.append(&mut new),
            Node::Call(call) => call.entries.append(&mut new),
            _ => return Err(self.bad("entries for a value that is no dict")),
        }
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<()> {
        self.push_id(self.nodes.len())?;
        self.nodes.push(node);
        Ok(())
    }

    fn push_id(&mut self, id: Id) -> Result<()> {
        self.budget.nodes(1)?;
        self.stack.push(id);
        Ok(())
    }

    /// Values above the last mark are all that an opcode may take.
    fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..].last().copied().ok_or_else(|| self.bad("the stack is empty"))
    }

    fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.bad("no mark on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_entries(&mut self) -> Result<Vec<(Id, Id)>> {
        let flat = self.pop_mark()?;
        let (pairs, odd) = flat.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(self.bad("a key without a value"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn memoise(&mut self, key: u64) -> Result<()> {
        let top = self.top()?;
        self.budget.nodes(1)?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<()> {
        let id = *self.memo.get(&key).ok_or_else(|| self.bad("nothing is remembered under that number"))?;
        self.push_id(id)
    }

    fn text(&mut self, length: impl FnOnce(&mut Bytes) -> Result<u64>) -> Result<Node> {
        let range = self.range(length)?;
        let text = std::str::from_utf8(&self.bytes.input[range]).map_err(|_| self.bad("a string that is not UTF-8"))?;
        self.budget.bytes(text.len() as u64)?;
        Ok(Node::Text(text.into()))
    }

    fn range(&mut self, length: impl FnOnce(&mut Bytes) -> Result<u64>) -> Result<std::ops::Range<usize>> {
        let length = length(&mut self.bytes)?;
        let start = self.bytes.at;
        self.bytes.take(length)?;
        Ok(start..self.bytes.at)
    }

    /// A signed 32-bit length, as some old opcodes have it.
    fn length(&mut self) -> Result<u64> {
        let length = self.bytes.i32()?;
        u64::try_from(length).map_err(|_| self.bad("a negative length"))
    }

    fn decimal(&mut self) -> Result<u64> {
        let line = self.bytes.line()?;
        std::str::from_utf8(line).ok().and_then(|line| line.trim().parse().ok()).ok_or_else(|| self.bad("not a number"))
    }

    fn bad(&self, what: &str) -> PickleError {
        PickleError::Malformed { offset: self.here, what: what.into() }
    }
}

/// Names are part of error messages, so not of arbitrary length.
fn shortened(name: &str) -> String {
    name.chars().take(200).collect()
}
