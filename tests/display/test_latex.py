"""Tables as LaTeX: its signs are written out, and pictures and sentences left out."""

from bittrue.display import Bars, Column, Table, to_latex


def test_signs_that_latex_reads_are_written_out_and_pictures_left_out() -> None:
    columns = (Column("site"), Column("95 %", number=True), Column("histogram"), Column("because"))
    rows = [("conv_1 & {x}", "−0.5…1", Bars((1, 2)), "3 < 2^2 \\ $~# → “0”\x1b")]
    found = to_latex((Table(columns, rows, "100 % of\nall"), "A sentence."))
    assert found.splitlines() == [
        r"% Needs \usepackage{booktabs}.",
        "% 100 % of all",
        r"\begin{tabular}{lrl}",
        r"\toprule",
        r"site & 95 \% & because \\",
        r"\midrule",
        r"conv\_1 \& \{x\} & $-$0.5\dots{}1 & 3 $<$ 2\textasciicircum{}2 \textbackslash{} \$\textasciitilde{}\#"
        r" $\to$ ``0''\textbackslash{}x1b \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert found.isascii()
