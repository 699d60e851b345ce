//! The allow-list: which Python classes and functions are known to construct data.

use std::sync::Arc;

use crate::formats::ndarray::DType;

/// A class or function named by a pickle.
pub(super) struct Global {
    pub module: Arc<str>,
    pub name: Arc<str>,
    pub constructor: Constructor,
}

impl Global {
    pub fn path(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

/// How a known class or function is interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Constructor {
    Dict,
    DefaultDict,
    List,
    Tuple,
    Set,
    Bytes,
    Encode,
    Namespace,
    /// `copyreg._reconstructor(class, object, None)`: how protocols 0 and 1 make an object.
    Reconstructor,
    NumpyReconstruct,
    NumpyDType,
    NumpyScalar,
    NumpyFromBuffer,
    TorchTensorV1,
    TorchTensorV2,
    TorchTensorV3,
    TorchParameter,
    /// A storage as a file within the pickle.
    TorchLoadFromBytes,
    TorchSize,
    TorchDevice,
    TorchStorage(DType),
    /// An untyped storage counts bytes.
    TorchDType(DType),
    PandasFrame,
    PandasSeries,
    /// Whatever makes an index of a class and its parts.
    PandasNewIndex,
    /// `functools.partial(function, ...)`: calling it calls the function.
    Partial,
    Range,
    /// A class of data that others are made of, or that is not read: kept by name.
    Named,
    /// Outside the allow-list, kept by name because the caller asked for it.
    Unknown,
}

/// Looks a global up in the allow-list.
pub(super) fn constructor(module: &str, name: &str) -> Option<Constructor> {
    use Constructor as C;
    let (module, name) = python3(module, name);
    Some(match (module, name) {
        ("builtins", name) => match name {
            "dict" => C::Dict,
            "list" => C::List,
            "tuple" => C::Tuple,
            "set" | "frozenset" => C::Set,
            "bytes" | "bytearray" => C::Bytes,
            "range" => C::Range,
            "int" | "float" | "bool" | "str" | "object" | "slice" | "complex" | "type" => C::Named,
            _ => return None,
        },
        ("collections", "OrderedDict" | "Counter") => C::Dict,
        ("collections", "defaultdict") => C::DefaultDict,
        ("collections", "deque") => C::List,
        ("argparse", "Namespace") | ("types", "SimpleNamespace") => C::Namespace,
        ("_codecs", "encode") => C::Encode,
        ("copyreg", "_reconstructor") => C::Reconstructor,
        ("functools", "partial") => C::Partial,
        ("datetime", "date" | "datetime" | "time" | "timedelta" | "timezone") => C::Named,
        ("decimal", "Decimal") | ("fractions", "Fraction") | ("uuid", "UUID") | ("zoneinfo", "ZoneInfo") => C::Named,
        ("numpy", "dtype") => C::NumpyDType,
        (
            "numpy",
            "ndarray" | "matrix" | "memmap" | "recarray" | "float16" | "float32" | "float64" | "int8" | "int16"
            | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" | "bool_" | "bool" | "str_" | "bytes_"
            | "datetime64" | "timedelta64" | "complex64" | "complex128" | "void" | "object_",
        ) => C::Named,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => C::NumpyReconstruct,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => C::NumpyScalar,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => C::NumpyFromBuffer,
        ("numpy.matrixlib.defmatrix", "matrix") | ("numpy.core.memmap" | "numpy._core.memmap", "memmap") => C::Named,
        ("numpy.ma.core", "_mareconstruct" | "MaskedArray") => C::Named,
        ("torch._utils", "_rebuild_tensor") => C::TorchTensorV1,
        ("torch._utils", "_rebuild_tensor_v2") => C::TorchTensorV2,
        ("torch._utils", "_rebuild_tensor_v3") => C::TorchTensorV3,
        ("torch._utils", "_rebuild_parameter") => C::TorchParameter,
        ("torch.storage", "_load_from_bytes") => C::TorchLoadFromBytes,
        ("torch", "Size") => C::TorchSize,
        ("torch", "device") => C::TorchDevice,
        ("torch" | "torch.cuda", name) if name.ends_with("Storage") => C::TorchStorage(storage_dtype(name)?),
        ("torch.storage", "UntypedStorage" | "_UntypedStorage") => C::TorchStorage(DType::U8),
        ("torch", name) => C::TorchDType(torch_dtype(name)?),
        (module, name) if is_of(module, "pandas") => match name {
            "DataFrame" => C::PandasFrame,
            "Series" => C::PandasSeries,
            "_new_Index" | "_new_DatetimeIndex" | "_new_PeriodIndex" => C::PandasNewIndex,
            // Functions that do more than make data are not known under any circumstances.
            name if name.starts_with("read_") || matches!(name, "eval" | "query") => return None,
            _ => C::Named,
        },
        ("pyarrow.lib", _) => C::Named,
        (module, _) if is_of(module, "pytz") || is_of(module, "dateutil") => C::Named,
        _ => return None,
    })
}

fn is_of(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The names of today for those that Python 2 writes, and Python 3 in the protocols that Python 2 reads.
fn python3<'a>(module: &'a str, name: &'a str) -> (&'a str, &'a str) {
    match (module, name) {
        ("__builtin__", "long") => ("builtins", "int"),
        ("__builtin__", "unicode" | "basestring") => ("builtins", "str"),
        ("__builtin__", "xrange") => ("builtins", "range"),
        ("__builtin__", name) => ("builtins", name),
        ("copy_reg", name) => ("copyreg", name),
        other => other,
    }
}

fn storage_dtype(name: &str) -> Option<DType> {
    Some(match name.strip_suffix("Storage")? {
        "Half" => DType::F16,
        "BFloat16" => DType::BF16,
        "Float" => DType::F32,
        "Double" => DType::F64,
        "Char" => DType::I8,
        "Short" => DType::I16,
        "Int" => DType::I32,
        "Long" => DType::I64,
        "Byte" | "Untyped" => DType::U8,
        "Bool" => DType::Bool,
        _ => return None,
    })
}

fn torch_dtype(name: &str) -> Option<DType> {
    Some(match name {
        "float16" | "half" => DType::F16,
        "bfloat16" => DType::BF16,
        "float32" | "float" => DType::F32,
        "float64" | "double" => DType::F64,
        "int8" => DType::I8,
        "int16" | "short" => DType::I16,
        "int32" | "int" => DType::I32,
        "int64" | "long" => DType::I64,
        "uint8" => DType::U8,
        "uint16" => DType::U16,
        "uint32" => DType::U32,
        "uint64" => DType::U64,
        "bool" => DType::Bool,
        _ => return None,
    })
}
