"""One class per user mistake, by subject; all of them are names of `functrans.errors`.

Each constructor takes the objects involved and writes the message itself: what differed (in the user's own names and key
paths, all differences), where (the user's file and line), and what to write instead. Start reading at `base.FunctransError`,
then at the class whose message you met.
"""

from functrans.errors.base import (
    FunctransError,
)
from functrans.errors.compiling import (
    CompiledArgumentsError,
    ForeignProgramError,
    NoMachineCodeError,
    NotExportableError,
    RefusedOperandsError,
)
from functrans.errors.control import (
    BranchTypeError,
    CarryTypeError,
    PredicateError,
    ScanLengthError,
    ScanResultError,
)
from functrans.errors.custom import (
    CustomClosureError,
    CustomRuleError,
    MissingRuleError,
)
from functrans.errors.derivatives import (
    AuxError,
    ChangedConstantError,
    ComplexInputError,
    ComplexOutputError,
    CotangentError,
    GradientMismatchError,
    HolomorphicError,
    IntegerInputError,
    IntegerOutputError,
    NotDifferentiableError,
    NotLinearError,
    ScalarOutputError,
)
from functrans.errors.indexing import (
    IndexExpressionError,
    IndexOutOfBoundsError,
    TracedMaskError,
    UpdateShapeError,
    UpdateTypeError,
)
from functrans.errors.inputs import (
    ArgnumsError,
    FlatVectorError,
    IntegerRangeError,
    NonArrayInputError,
    NonArrayOutputError,
    StaticArgumentError,
    UnboundAxisError,
    VmapAxisError,
    VmapSizeError,
)
from functrans.errors.numpy import (
    ArrayTypeError,
    BroadcastError,
    EinsumError,
    OutArgumentError,
    UnsupportedArgumentError,
    UnsupportedFunctionError,
)
from functrans.errors.outside import (
    CallbackBatchError,
    CallbackResultError,
    ExternalFunctionError,
    FormatArgumentsError,
    MissingPackageError,
    RepeatedEffectError,
)
from functrans.errors.primitives import (
    CaseNumberError,
    EmptyReductionError,
    JaxprError,
    OperandError,
    ParameterError,
    ShapeMismatchError,
)
from functrans.errors.random import KeyReuseError
from functrans.errors.tracing import (
    ConcretizationError,
    InPlaceError,
    LeakedTracerError,
    TracedLengthError,
    TracedParameterError,
    TracerConversionError,
    ValueDependentShapeError,
)
from functrans.errors.trees import (
    DataclassFieldsError,
    Difference,
    TreeMismatchError,
)

__all__ = [
    "ArgnumsError",
    "ArrayTypeError",
    "AuxError",
    "BranchTypeError",
    "BroadcastError",
    "CallbackBatchError",
    "CallbackResultError",
    "CarryTypeError",
    "CaseNumberError",
    "ChangedConstantError",
    "CompiledArgumentsError",
    "ComplexInputError",
    "ComplexOutputError",
    "ConcretizationError",
    "CotangentError",
    "CustomClosureError",
    "CustomRuleError",
    "DataclassFieldsError",
    "Difference",
    "EinsumError",
    "EmptyReductionError",
    "ExternalFunctionError",
    "FlatVectorError",
    "ForeignProgramError",
    "FormatArgumentsError",
    "FunctransError",
    "GradientMismatchError",
    "HolomorphicError",
    "InPlaceError",
    "IndexExpressionError",
    "IndexOutOfBoundsError",
    "IntegerInputError",
    "IntegerRangeError",
    "IntegerOutputError",
    "JaxprError",
    "KeyReuseError",
    "LeakedTracerError",
    "MissingPackageError",
    "MissingRuleError",
    "NoMachineCodeError",
    "NonArrayInputError",
    "NonArrayOutputError",
    "NotDifferentiableError",
    "NotExportableError",
    "NotLinearError",
    "OperandError",
    "OutArgumentError",
    "ParameterError",
    "PredicateError",
    "RefusedOperandsError",
    "RepeatedEffectError",
    "ScalarOutputError",
    "ScanLengthError",
    "ScanResultError",
    "ShapeMismatchError",
    "StaticArgumentError",
    "TracedMaskError",
    "TracedLengthError",
    "TracedParameterError",
    "TracerConversionError",
    "TreeMismatchError",
    "UnboundAxisError",
    "UnsupportedArgumentError",
    "UnsupportedFunctionError",
    "UpdateShapeError",
    "UpdateTypeError",
    "ValueDependentShapeError",
    "VmapAxisError",
    "VmapSizeError",
]

for _name in __all__:  # tracebacks and pickles name them as users import them
    globals()[_name].__module__ = __name__
