"""What people put around a generated network: AXI4-Stream, and the module that the hand-over's benches know.

Arm, *AMBA AXI-Stream Protocol Specification*, IHI 0051: TDATA in whole bytes, TLAST with the last word of a packet.
"""

from string import Template

from bittrue.exports.vectors.bench import Stream, stream_of
from bittrue.program import FixedNetwork


def streams_of(program: FixedNetwork) -> tuple[Stream, Stream]:
    """What goes in and what comes out, with the words of one image."""
    return stream_of(program.steps[0], 1), stream_of(program.by_name[program.output], 1)


def padded(stream: Stream) -> int:
    """The bits of a word in whole bytes."""
    return -(-stream.width // 8) * 8


def axis_wrapper(name: str, program: FixedNetwork) -> str:
    """The network `name` with AXI4-Stream around it."""
    return _filled(_AXIS, name, program)


def device(name: str, program: FixedNetwork) -> str:
    """The wrapped network as the module `device` of the hand-over's benches, which sees that the packets are right."""
    return _filled(_DEVICE, name, program)


def _filled(template: Template, name: str, program: FixedNetwork) -> str:
    source, result = streams_of(program)
    last = result.words - 1
    count = max(last.bit_length(), 1)
    return template.substitute(
        name=name,
        in_site=source.site,
        out_site=result.site,
        in_code="in two's complement" if source.signed else "without a sign",
        out_code="in two's complement, its sign repeated in front" if result.signed else "with zeros in front",
        in_width=source.width,
        out_width=result.width,
        in_top=source.width - 1,
        out_top=result.width - 1,
        in_data_top=padded(source) - 1,
        out_data_top=padded(result) - 1,
        in_words=source.words,
        out_words=result.words,
        word=_extended("core_data", result, signed=result.signed),
        sent=_extended("in_data", source, signed=False),
        expected=_extended("out_data", result, signed=result.signed),
        count_top=count - 1,
        last=f"{count}'d{last}",
        one=f"{count}'d1",
        zero=f"{count}'d0",
    )


def _extended(word: str, stream: Stream, *, signed: bool) -> str:
    """A word of a stream in whole bytes."""
    missing = padded(stream) - stream.width
    sign = f"{word}[{stream.width - 1}]" if signed else "1'b0"
    return f"{{{{{missing} {{{sign}}}}}, {word}}}" if missing else word


_AXIS = Template("""\
// $name between AXI4-Streams. A packet is an image: $in_words words in, $out_words out.
//
// s_axis_tdata: in its low $in_width bits a code of $in_site, $in_code; the bits above aren't read.
// m_axis_tdata: in its low $out_width bits a code of $out_site, $out_code.
// m_axis_tlast stands with the last word of each image. s_axis_tlast isn't read: the words are counted.
module ${name}_axis (
    input  logic aclk,
    input  logic aresetn,
    input  logic s_axis_tvalid,
    output logic s_axis_tready,
    input  logic [$in_data_top:0] s_axis_tdata,
    input  logic s_axis_tlast,
    output logic m_axis_tvalid,
    input  logic m_axis_tready,
    output logic [$out_data_top:0] m_axis_tdata,
    output logic m_axis_tlast
);
    logic [$out_top:0] core_data;
    logic [$count_top:0] place;
    logic unused;

    assign m_axis_tdata = $word;
    assign m_axis_tlast = place == $last;
    assign unused = &{1'b0, s_axis_tlast, s_axis_tdata};

    $name core (
        .clk(aclk),
        .rst_n(aresetn),
        .in_valid(s_axis_tvalid),
        .in_ready(s_axis_tready),
        .in_data(s_axis_tdata[$in_top:0]),
        .out_valid(m_axis_tvalid),
        .out_ready(m_axis_tready),
        .out_data(core_data)
    );

    always_ff @(posedge aclk) begin
        if (!aresetn) place <= $zero;
        else if (m_axis_tvalid && m_axis_tready) place <= m_axis_tlast ? $zero : place + $one;
    end
endmodule
""")

_DEVICE = Template("""\
// ${name}_axis as the module that the benches of the golden vectors hold: it is for simulation.
module device (
    input  logic clk,
    input  logic rst_n,
    input  logic in_valid,
    output logic in_ready,
    input  logic [$in_top:0] in_data,
    output logic out_valid,
    input  logic out_ready,
    output logic [$out_top:0] out_data
);
    logic [$out_data_top:0] data;
    logic last;

    assign out_data = data[$out_top:0];

    ${name}_axis dut (
        .aclk(clk),
        .aresetn(rst_n),
        .s_axis_tvalid(in_valid),
        .s_axis_tready(in_ready),
        .s_axis_tdata($sent),
        .s_axis_tlast(1'b0),
        .m_axis_tvalid(out_valid),
        .m_axis_tready(out_ready),
        .m_axis_tdata(data),
        .m_axis_tlast(last)
    );

    integer place = 0;

    always @(posedge clk) begin
        if (rst_n && out_valid && out_ready) begin
            if (last != (place == $out_words - 1)) begin
                $$display("FAIL: m_axis_tlast is %b at word %0d of an image of $out_words", last, place);
                $$fatal(1);
            end
            if (data !== $expected) begin
                $$display("FAIL: m_axis_tdata is %h, which isn't its low $out_width bits extended", data);
                $$fatal(1);
            end
            place <= last ? 0 : place + 1;
        end
        if (!rst_n) place <= 0;
    end
endmodule
""")
