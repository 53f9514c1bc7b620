"""What to do about operators that aren't read: the way that works, tried in tests/frontends/onnx (`test_advice.py`,
`test_remedies.py`)."""

STATE = "it keeps a state from step to step, which no node of a Network does: use Conv1D over the steps, or attention"

ADVICE = {
    **dict.fromkeys(("GRU", "LSTM", "RNN"), STATE),
    **dict.fromkeys(
        ("ArgMax", "Hardmax", "TopK"),
        "end the network at the values that it reads, for which an .onnx file takes --output NAME: classes are taken "
        "from these, the first of equal ones winning",
    ),
    "ArgMin": "end the network with the ArgMax of the negated values (Neg), which is left to the host",
    **dict.fromkeys(
        ("Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
        "write a choice by comparison with Relu, LeakyRelu, Clip, Max or Min, or leave it to the host",
    ),
    "CumSum": "multiply by a constant triangular matrix (MatMul)",
    "ReduceLogSumExp": "write it as the Log of the ReduceSum of the Exp",
    "ReduceProd": "multiply slices",
}
"""By operator, behind `… is not supported: `."""

OTHERWISE = (
    "write it with operators that are read, of which docs/onnx-backend-tests.md has a list, or leave it to the host"
)
