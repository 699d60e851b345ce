//! From the graph of nodes to the tree of values: bottom up, each node once, without recursion.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::globals::{Constructor, Global};
use super::graph::{Call, Graph, Id, Node};
use super::value::{Dict, Opaque, Storage, Value};
use super::{PickleError, numpy, pandas, torch};
use crate::formats::limits::Budget;
use crate::formats::torch::Embedded;

type Result<T> = std::result::Result<T, PickleError>;

#[derive(Clone)]
enum Cell {
    New,
    Open,
    /// `depth`: levels below and with this one. `size`: values that a walk would visit.
    Done {
        value: Value,
        depth: u32,
        size: u64,
    },
}

pub(super) struct Freezer<'g, 'b, 'l> {
    pub graph: &'g Graph<'g>,
    pub budget: &'b mut Budget<'l>,
    /// Every storage referred to, whether or not it survives in the value.
    pub storages: Vec<Arc<Storage>>,
    /// Those that are files within the pickle, by name.
    pub embedded: HashMap<Arc<str>, Embedded>,
    cells: Vec<Cell>,
}

/// Interprets the graph. Cycles, depth and expanded size are checked here.
pub(super) fn freeze(graph: &Graph, budget: &mut Budget) -> Result<(Value, Vec<Arc<Storage>>)> {
    let cells = vec![Cell::New; graph.nodes.len()];
    let mut freezer = Freezer { graph, budget, storages: Vec::new(), embedded: HashMap::new(), cells };
    // Parents are left once their children are done.
    let mut work = vec![(graph.root, false)];
    while let Some((id, leave)) = work.pop() {
        match freezer.cells[id] {
            Cell::Done { .. } => {}
            Cell::Open if leave => freezer.finish(id)?,
            Cell::Open => return Err(PickleError::Recursive),
            Cell::New => {
                freezer.cells[id] = Cell::Open;
                work.push((id, true));
                graph.for_each_child(id, |child| work.push((child, false)));
            }
        }
    }
    Ok((freezer.value(graph.root)?, freezer.storages))
}

impl<'g> Freezer<'g, '_, '_> {
    fn finish(&mut self, id: Id) -> Result<()> {
        let (mut depth, mut size) = (0, 1_u64);
        self.graph.for_each_child(id, |child| {
            if let Cell::Done { depth: below, size: part, .. } = &self.cells[child] {
                depth = depth.max(*below);
                size = size.saturating_add(*part);
            }
        });
        depth += 1;
        self.budget.level(depth)?;
        let value = self.build(id)?;
        size = size.saturating_add(match &value {
            Value::Array(array) => array.len(),
            Value::Index(index) => index.labels.len(),
            Value::DataFrame(frame) => frame.rows().saturating_mul(frame.columns.len() + 1),
            _ => 0,
        } as u64);
        self.budget.expanded(size)?;
        self.cells[id] = Cell::Done { value, depth, size };
        Ok(())
    }

    fn build(&mut self, id: Id) -> Result<Value> {
        let graph = self.graph;
        Ok(match &graph.nodes[id] {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::Int(*value),
            Node::BigInt(digits) => Value::BigInt(digits.clone()),
            Node::Float(value) => Value::Float(*value),
            Node::Text(text) => Value::Str(text.clone()),
            Node::Bytes(range) => Value::Bytes(self.copied(&graph.input[range.clone()])?),
            Node::OldText(range) => self.old_text(&graph.input[range.clone()])?,
            Node::Escaped(bytes) => self.old_text(bytes)?,
            Node::List(items) => Value::List(self.values(items)?.into()),
            Node::Tuple(items) => Value::Tuple(self.values(items)?.into()),
            Node::Set(items) => Value::Set(self.values(items)?.into()),
            Node::Dict(entries) => Value::Dict(Arc::new(self.pairs(entries)?)),
            Node::Global(global) => opaque(global, Vec::new(), Value::None, Vec::new(), Dict::default()),
            Node::Persistent(reference) => torch::persistent(self, *reference)?,
            Node::Call(call) => self.construct(call)?,
        })
    }

    fn construct(&mut self, call: &'g Call) -> Result<Value> {
        use Constructor as C;
        match call.global.constructor {
            C::Dict | C::DefaultDict | C::Namespace => self.dict(call),
            C::List | C::Tuple | C::Set => {
                let mut items = match call.args.first() {
                    Some(&items) => match self.value(items)? {
                        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.to_vec(),
                        other => return Err(wrong(call, "a list", &other)),
                    },
                    None => Vec::new(),
                };
                self.budget.nodes(items.len())?;
                items.extend(self.values(&call.items)?);
                Ok(match call.global.constructor {
                    C::List => Value::List(items.into()),
                    C::Tuple => Value::Tuple(items.into()),
                    _ => Value::Set(items.into()),
                })
            }
            C::Bytes | C::Encode => self.encode(call),
            C::NumpyReconstruct => numpy::reconstruct(self, call),
            C::NumpyDType => numpy::dtype(self, call),
            C::NumpyScalar => numpy::scalar(self, call),
            C::NumpyFromBuffer => numpy::from_buffer(self, call),
            C::TorchTensorV1 | C::TorchTensorV2 | C::TorchTensorV3 => torch::tensor(self, call),
            C::TorchLoadFromBytes => torch::load_from_bytes(self, call),
            C::TorchParameter => self.argument(call, 0),
            C::TorchSize => Ok(match self.argument(call, 0)? {
                Value::List(items) | Value::Tuple(items) => Value::Tuple(items),
                other => return Err(wrong(call, "a tuple", &other)),
            }),
            C::TorchDevice => torch::device(self, call),
            C::PandasFrame => pandas::frame(self, call),
            C::PandasNewIndex => pandas::index(self, call),
            C::PandasSeries => pandas::series(self, call),
            C::Range => self.range(call),
            C::Named | C::Unknown => {
                let (args, state) = (self.values(&call.args)?, self.state(call)?);
                let (items, entries) = (self.values(&call.items)?, self.pairs(&call.entries)?);
                Ok(opaque(&call.global, args, state, items, entries))
            }
            C::Reconstructor | C::TorchStorage(_) | C::TorchDType(_) | C::Partial => {
                Err(refuse(call, "not called with such arguments"))
            }
        }
    }

    /// `dict(pairs)`, `OrderedDict(pairs)`, `defaultdict(factory, pairs)` and an object that is just its attributes.
    fn dict(&mut self, call: &'g Call) -> Result<Value> {
        let source = match call.global.constructor {
            Constructor::DefaultDict => call.args.get(1).copied(),
            Constructor::Namespace => self.graph.state(call).first().copied(),
            // The state of an ordered dict is its Python attributes (torch keeps module versions there).
            _ => call.args.first().copied(),
        };
        let mut pairs = match source.map(|source| self.value(source)).transpose()? {
            None | Some(Value::None) => Vec::new(),
            Some(Value::Dict(dict)) => dict.entries().to_vec(),
            Some(Value::List(items) | Value::Tuple(items)) => {
                items.iter().map(|item| pair(call, item)).collect::<Result<_>>()?
            }
            Some(other) => return Err(wrong(call, "a dict", &other)),
        };
        self.budget.nodes(pairs.len())?;
        for &(key, value) in &call.entries {
            pairs.push((self.value(key)?, self.value(value)?));
        }
        Ok(Value::Dict(Arc::new(pairs.into_iter().collect())))
    }

    /// `range(start, stop, step)`: its numbers.
    fn range(&mut self, call: &'g Call) -> Result<Value> {
        match self.values(&call.args)?.as_slice() {
            &[Value::Int(start), Value::Int(stop), Value::Int(step)] => {
                Ok(Value::List(pandas::range(call, start, stop, step, self.budget)?.map(Value::Int).collect()))
            }
            _ => Err(refuse(call, "arguments other than (start, stop, step)")),
        }
    }

    /// `bytes`, `bytearray`, and how older protocols write both: `_codecs.encode(text, "latin1")`.
    fn encode(&mut self, call: &'g Call) -> Result<Value> {
        let Some(&source) = call.args.first() else { return Ok(Value::Bytes([].into())) };
        let encoding = call.args.get(1).map(|&encoding| self.value(encoding)).transpose()?;
        match &encoding {
            None => {}
            Some(Value::Str(name)) if matches!(&**name, "latin1" | "latin-1") => {}
            Some(_) => return Err(refuse(call, "an encoding other than latin1")),
        }
        if let Some(bytes) = self.raw(source) {
            return Ok(Value::Bytes(self.copied(&bytes)?));
        }
        match self.value(source)? {
            Value::Str(text) if encoding.is_some() => {
                self.budget.bytes(text.len() as u64)?;
                let bytes =
                    text.chars().map(|c| u8::try_from(u32::from(c))).collect::<std::result::Result<Vec<_>, _>>();
                bytes.map(|bytes| Value::Bytes(bytes.into())).map_err(|_| refuse(call, "text that is not Latin-1"))
            }
            other => Err(wrong(call, "Latin-1 text or bytes", &other)),
        }
    }

    /// The frozen value of a child.
    pub fn value(&mut self, id: Id) -> Result<Value> {
        if let Cell::Done { value, .. } = &self.cells[id] {
            return Ok(value.clone());
        }
        match self.graph.nodes[id] {
            // Left out by `for_each_child`, and a leaf.
            Node::Bytes(_) => {
                self.finish(id)?;
                self.value(id)
            }
            _ => Err(PickleError::Recursive),
        }
    }

    pub fn values(&mut self, ids: &[Id]) -> Result<Vec<Value>> {
        ids.iter().map(|&id| self.value(id)).collect()
    }

    fn pairs(&mut self, entries: &[(Id, Id)]) -> Result<Dict> {
        entries.iter().map(|&(key, value)| Ok((self.value(key)?, self.value(value)?))).collect()
    }

    /// Argument number `index` of a call.
    pub fn argument(&mut self, call: &Call, index: usize) -> Result<Value> {
        match call.args.get(index) {
            Some(&id) => self.value(id),
            None => Err(refuse(call, "too few arguments")),
        }
    }

    /// The state of a call as one value.
    pub fn state(&mut self, call: &'g Call) -> Result<Value> {
        match call.state {
            None => Ok(Value::None),
            Some(id) if matches!(self.graph.nodes[id], Node::Tuple(_)) => {
                let items = self.values(self.graph.state(call))?;
                Ok(Value::Tuple(items.into()))
            }
            Some(id) => self.value(id),
        }
    }

    /// The bytes of a child, without a copy.
    pub fn raw(&self, id: Id) -> Option<Raw<'g>> {
        match (&self.graph.nodes[id], &self.cells[id]) {
            (Node::Bytes(range) | Node::OldText(range), _) => Some(Raw::Slice(&self.graph.input[range.clone()])),
            (Node::Escaped(bytes), _) => Some(Raw::Slice(bytes)),
            (_, Cell::Done { value: Value::Bytes(bytes), .. }) => Some(Raw::Shared(bytes.clone())),
            _ => None,
        }
    }

    /// The class or function that a child names.
    pub fn global(&self, id: Id) -> Option<&'g Global> {
        match &self.graph.nodes[id] {
            Node::Global(global) => Some(global),
            _ => None,
        }
    }

    fn copied(&mut self, bytes: &[u8]) -> Result<Arc<[u8]>> {
        self.budget.bytes(bytes.len() as u64)?;
        Ok(bytes.into())
    }

    fn old_text(&mut self, bytes: &[u8]) -> Result<Value> {
        let bytes = self.copied(bytes)?;
        Ok(match std::str::from_utf8(&bytes) {
            Ok(text) => Value::Str(text.into()),
            Err(_) => Value::Bytes(bytes),
        })
    }
}

/// Bytes of the input, or of a value.
pub(super) enum Raw<'a> {
    Slice(&'a [u8]),
    Shared(Arc<[u8]>),
}

impl Deref for Raw<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Raw::Slice(bytes) => bytes,
            Raw::Shared(bytes) => bytes,
        }
    }
}

fn opaque(global: &Global, args: Vec<Value>, state: Value, items: Vec<Value>, entries: Dict) -> Value {
    let (module, name) = (global.module.clone(), global.name.clone());
    Value::Opaque(Arc::new(Opaque { module, name, args, state, items, entries }))
}

fn pair(call: &Call, item: &Value) -> Result<(Value, Value)> {
    match item {
        Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => Ok((pair[0].clone(), pair[1].clone())),
        other => Err(wrong(call, "a pair", other)),
    }
}

pub(super) fn refuse(call: &Call, what: impl Into<String>) -> PickleError {
    PickleError::Constructor { constructor: call.global.path(), what: what.into() }
}

pub(super) fn wrong(call: &Call, expected: &str, found: &Value) -> PickleError {
    refuse(call, format!("{expected} expected, found {}", found.type_name()))
}
