"""What to do about operators that aren't read: the way that works, tried in tests/frontends/onnx/test_advice.py."""

STATE = "it keeps a state from step to step, which no node of a Network does: use Conv1D over the steps, or attention"

ADVICE = {
    **dict.fromkeys(("GRU", "LSTM", "RNN"), STATE),
    **dict.fromkeys(
        ("ArgMax", "ArgMin", "Hardmax", "TopK"),
        "end the network at the values that it reads: classes are taken from these, the first of equal ones winning",
    ),
    "Sign": "end the network at the value whose sign it is, or train with Clip (Hardtanh) in its place",
}
"""By operator, behind `… is not supported: `."""

OTHERWISE = (
    "write it with operators that are read, of which docs/onnx-backend-tests.md has a list, or leave it to the host"
)
