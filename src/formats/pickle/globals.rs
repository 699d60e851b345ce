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
    TorchSize,
    TorchDevice,
    TorchStorage(DType),
    /// An untyped storage counts bytes.
    TorchDType(DType),
    PandasFrame,
    PandasBlockManager,
    PandasBlock,
    PandasNewIndex,
    PandasRangeIndex,
    PandasStringArray,
    /// Harmless and needed as an argument only: kept by name.
    Named,
    /// Outside the allow-list, kept by name because the caller asked for it.
    Unknown,
}

/// Looks a global up in the allow-list.
pub(super) fn constructor(module: &str, name: &str) -> Option<Constructor> {
    use Constructor as C;
    Some(match (module, name) {
        ("builtins" | "__builtin__", name) => match name {
            "dict" => C::Dict,
            "list" => C::List,
            "tuple" => C::Tuple,
            "set" | "frozenset" => C::Set,
            "bytes" | "bytearray" => C::Bytes,
            "int" | "float" | "bool" | "str" | "object" | "slice" => C::Named,
            _ => return None,
        },
        ("collections", "OrderedDict" | "Counter") => C::Dict,
        ("collections", "defaultdict") => C::DefaultDict,
        ("collections", "deque") => C::List,
        ("argparse", "Namespace") => C::Namespace,
        ("_codecs", "encode") => C::Encode,
        ("copyreg" | "copy_reg", "_reconstructor") => C::Reconstructor,
        ("numpy", "dtype") => C::NumpyDType,
        (
            "numpy",
            "ndarray" | "float16" | "float32" | "float64" | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16"
            | "uint32" | "uint64" | "bool_" | "bool" | "str_" | "bytes_",
        ) => C::Named,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => C::NumpyReconstruct,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => C::NumpyScalar,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => C::NumpyFromBuffer,
        ("torch._utils", "_rebuild_tensor") => C::TorchTensorV1,
        ("torch._utils", "_rebuild_tensor_v2") => C::TorchTensorV2,
        ("torch._utils", "_rebuild_tensor_v3") => C::TorchTensorV3,
        ("torch._utils", "_rebuild_parameter") => C::TorchParameter,
        ("torch", "Size") => C::TorchSize,
        ("torch", "device") => C::TorchDevice,
        ("torch" | "torch.cuda", name) if name.ends_with("Storage") => C::TorchStorage(storage_dtype(name)?),
        ("torch.storage", "UntypedStorage" | "_UntypedStorage") => C::TorchStorage(DType::U8),
        ("torch", name) => C::TorchDType(torch_dtype(name)?),
        ("pandas.core.frame" | "pandas", "DataFrame") => C::PandasFrame,
        ("pandas.core.internals.managers" | "pandas.core.internals", "BlockManager") => C::PandasBlockManager,
        ("pandas._libs.internals" | "pandas.core.internals.blocks", "_unpickle_block") => C::PandasBlock,
        ("pandas.core.indexes.base" | "pandas.indexes.base", "_new_Index") => C::PandasNewIndex,
        ("pandas.core.indexes.range" | "pandas.indexes.range" | "pandas", "RangeIndex") => C::PandasRangeIndex,
        ("pandas.core.indexes.base" | "pandas.indexes.base" | "pandas", "Index") => C::Named,
        ("pandas.core.indexes.numeric" | "pandas.indexes.numeric", "Int64Index" | "UInt64Index" | "Float64Index") => {
            C::Named
        }
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked") => C::PandasStringArray,
        ("pandas.arrays" | "pandas.core.arrays.string_", "StringArray") => C::Named,
        ("pandas" | "pandas.core.arrays.string_", "StringDtype") => C::Named,
        _ => return None,
    })
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
